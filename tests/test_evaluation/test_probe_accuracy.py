import pytest
import torch
from mmpretrain.evaluation import Accuracy
from ranks import run_on_ranks

from mmisl.evaluation import ProbeAccuracy

NUM_IMAGES, NUM_CLASSES = 23, 7


def make_samples():
    generator = torch.Generator().manual_seed(3)
    return [
        dict(
            gt_label=torch.randint(NUM_CLASSES, (1,), generator=generator),
            probe_scores={
                name: torch.randn(NUM_CLASSES, generator=generator)
                for name in ('conv1', 'conv2')
            },
        )
        for _ in range(NUM_IMAGES)
    ]


def expected_metrics():
    """As mmpretrain counts, one probe after the other."""
    expected = {}
    for name in ('conv1', 'conv2'):
        theirs = Accuracy(topk=(1, 5))
        for sample in make_samples():
            score = sample['probe_scores'][name].softmax(0)
            label = sample['gt_label']
            theirs.process(None, [dict(pred_score=score, gt_label=label)])
        for key, value in theirs.evaluate(NUM_IMAGES).items():
            expected[key.replace('accuracy/', f'probe/{name}_')] = value
    return expected


def test_evaluate__as_mmpretrain_counts():
    metric = ProbeAccuracy()
    samples = make_samples()
    metric.process(None, samples[:9])
    metric.process(None, samples[9:])
    metrics = metric.evaluate(NUM_IMAGES)
    expected = expected_metrics()
    assert list(metrics) == list(expected)
    assert metrics == pytest.approx(expected, abs=1e-4)
    assert 0 < metrics['probe/conv1_top1'] < metrics['probe/conv1_top5'] < 100


def evaluate_share():
    """Rank r of W has every W-th image; the first come again as padding."""
    rank = torch.distributed.get_rank()
    samples = make_samples()
    samples += samples[:1]
    metric = ProbeAccuracy()
    metric.process(None, samples[rank::2])
    return metric.evaluate(NUM_IMAGES)


def test_evaluate__two_ranks_leave_padding_out(tmp_path):
    for metrics in run_on_ranks(evaluate_share, 2, tmp_path):
        assert metrics == pytest.approx(expected_metrics(), abs=1e-4)


def test_process__equal_scores_rank_by_class_number():
    metric = ProbeAccuracy(topk=(1, 2))
    scores = dict(stem=torch.tensor([2.0, 5.0, 5.0]))
    for label in (1, 2):
        metric.process(
            None, [dict(gt_label=torch.tensor([label]), probe_scores=scores)]
        )
    assert metric.evaluate(2) == {
        'probe/stem_top1': 50,
        'probe/stem_top2': 100,
    }


def test_process__scores_that_are_not_finite():
    sample = make_samples()[0]
    sample['probe_scores']['conv2'][3] = torch.nan
    with pytest.raises(ValueError, match='probe on conv2 are NaN .* lower'):
        ProbeAccuracy().process(None, [sample])


def test_process__fewer_classes_than_topk():
    with pytest.raises(ValueError, match=r'needs 8 classes, .* know 7'):
        ProbeAccuracy(topk=(1, 8)).process(None, make_samples())


@pytest.mark.parametrize('name', ['gt_label', 'probe_scores'])
def test_process__field_that_is_missing(name):
    samples = make_samples()
    del samples[1][name]
    with pytest.raises(ValueError, match=f"has no '{name}'"):
        ProbeAccuracy().process(None, samples)


def test_init__topk_out_of_range():
    with pytest.raises(ValueError, match=r'from 1 on, got \(0,\)'):
        ProbeAccuracy(topk=(0,))


def test_compute_metrics__no_image():
    with pytest.raises(ValueError, match='is the validation set empty'):
        ProbeAccuracy().compute_metrics([])
