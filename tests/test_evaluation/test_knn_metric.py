import logging
import os
import socket

import pytest
import torch
import torch.distributed as dist
from mmengine.dataset import DefaultSampler
from mmengine.evaluator import Evaluator
from mmengine.structures import BaseDataElement
from torch.multiprocessing import spawn

from mmisl.evaluation import KNNMetric, knn, knn_accuracy, knn_metric
from mmisl.registry import METRICS

NUM_CLASSES = 6


def make_data(num_queries):
    generator = torch.Generator().manual_seed(num_queries)
    bank = torch.randn(23, 4, generator=generator)
    fresh = torch.randn(17, 4, generator=generator)
    queries = torch.randn(num_queries, 4, generator=generator)
    return dict(
        queries=queries,
        labels=torch.randint(NUM_CLASSES, (num_queries,), generator=generator),
        galleries=dict(
            bank=(
                bank,
                torch.randint(NUM_CLASSES, (23,), generator=generator),
            ),
            recomputed=(
                fresh,
                torch.randint(NUM_CLASSES, (17,), generator=generator),
            ),
        ),
    )


def run_metric(data, order, batch_size=3):
    """Validate as mmengine's loop does; the last batch is short."""
    metric = KNNMetric(k=5, topk=(1, 2))
    metric.set_galleries(data['galleries'])
    evaluator = Evaluator(metric)
    order = list(order)
    for start in range(0, len(order), batch_size):
        samples = []
        for i in order[start : start + batch_size]:
            samples.append(
                BaseDataElement(
                    feat=data['queries'][i], gt_label=data['labels'][i : i + 1]
                )
            )
        evaluator.process(samples)
    return evaluator.evaluate(len(data['labels']))


def expected_metrics(data):
    expected = {}
    for name, (feats, labels) in data['galleries'].items():
        accuracy = knn_accuracy(
            data['queries'],
            feats,
            query_labels=data['labels'],
            gallery_labels=labels,
            k=5,
            topk=(1, 2),
        )
        for top, percent in accuracy.items():
            expected[f'knn/{name}_{top}'] = pytest.approx(percent)
    return expected


@pytest.mark.parametrize('other', [0, 1])
def test_set_galleries__one_class_is_told_once(other, caplog, monkeypatch):
    log = logging.getLogger('told')
    monkeypatch.setattr(
        knn_metric,
        'print_log',
        lambda text, logger, level: log.log(level, text),
    )
    metric = KNNMetric(k=1)
    labels = torch.tensor([0, 0, other])
    for _ in range(2):
        metric.set_galleries({'bank': (torch.eye(3), labels)})
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 1 - other
    assert all("all 3 training images of 'bank'" in text for text in told)


@pytest.mark.parametrize('num_queries', [1, 5, 14])
def test_evaluate__batches_equal_all_at_once(num_queries):
    data = make_data(num_queries)
    metrics = run_metric(data, range(num_queries))
    assert metrics == expected_metrics(data)
    assert all(isinstance(value, float) for value in metrics.values())


def test_set_galleries__prepares_once_for_all_batches(monkeypatch):
    data, prepared = make_data(14), []

    def unit(rows, unit=knn._unit):
        prepared.append(len(rows))
        return unit(rows)

    monkeypatch.setattr(knn, '_unit', unit)
    run_metric(data, range(14))
    sizes = [len(feats) for feats, _ in data['galleries'].values()]
    # Then the batches, once for each gallery.
    assert prepared == [*sizes, *[3] * 8, *[2] * 2]


def test_set_galleries__diverged_bank_is_named_before_the_first_batch():
    bank = torch.eye(3)
    bank[1, 2] = torch.nan
    with pytest.raises(ValueError, match='1 rows of the gallery.*diverged'):
        KNNMetric().set_galleries(dict(bank=(bank, torch.arange(3))))


def worker(rank, port, out_dir):
    os.environ.update(MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port))
    os.chdir(out_dir)  # mmengine collects below the working directory
    dist.init_process_group('gloo', rank=rank, world_size=2)
    results = {}
    for num_queries in (5, 7):
        data = make_data(num_queries)
        sampler = DefaultSampler(range(num_queries), shuffle=False)
        results[num_queries] = run_metric(data, sampler, batch_size=2)
    torch.save(results, out_dir / f'rank{rank}.pt')
    dist.destroy_process_group()


def test_evaluate__two_processes_equal_one(tmp_path, free_port):
    spawn(worker, args=(free_port, tmp_path), nprocs=2)
    for rank in range(2):
        results = torch.load(tmp_path / f'rank{rank}.pt')
        for num_queries, metrics in results.items():
            assert metrics == expected_metrics(make_data(num_queries))


@pytest.fixture
def free_port():
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        return listener.getsockname()[1]


def sample(feat, label=0):
    return dict(feat=torch.tensor(feat), gt_label=torch.tensor([label]))


def gallery():
    return dict(bank=(torch.eye(2), torch.tensor([0, 1])))


def test_process__one_by_one_with_fewer_rows_than_k():
    metric = KNNMetric(topk=(1,))
    metric.set_galleries(gallery())
    metric.process(None, [sample([1.0, 0.2], 0)])
    metric.process(None, [sample([1.0, 0.2], 1)])
    assert metric.evaluate(2) == {'knn/bank_top1': 50.0}


def test_process__class_missing_from_the_gallery_is_never_right():
    metric = KNNMetric(topk=(1, 5))
    metric.set_galleries(gallery())
    metric.process(None, [sample([1.0, 0.2], 9), sample([1.0, 0.2], 0)])
    assert metric.evaluate(2) == {
        'knn/bank_top1': 50.0,
        'knn/bank_top5': 50.0,
    }


def test_process__without_gallery():
    with pytest.raises(RuntimeError, match='KNNGalleryHook'):
        KNNMetric().process(None, [sample([1.0, 0.0])])


def test_evaluate__galleries_do_not_outlive_a_validation():
    metric = KNNMetric()
    metric.set_galleries(gallery())
    metric.process(None, [sample([1.0, 0.0])])
    metric.evaluate(1)
    with pytest.raises(RuntimeError, match='no gallery'):
        metric.process(None, [sample([1.0, 0.0])])


@pytest.mark.parametrize(
    ('data_sample', 'match'),
    [
        (dict(gt_label=torch.tensor([0])), r"no 'feat', only \['gt_label'\]"),
        (dict(feat=torch.ones(2)), "no 'gt_label'.*val_evaluator to None"),
        (sample([1.0, 0.0, 0.0]), '3 dimensions, the gallery has 2'),
        (sample([1.0, float('nan')]), 'NaN or infinite in 1 rows of the que'),
        (sample([1.0, 0.0], -1), r'gt_label must be .*got \[-1\]'),
        (
            dict(feat=torch.ones(2), gt_label=torch.tensor([0, 1])),
            r'one label.*got \[0, 1\]',
        ),
    ],
)
def test_process__bad_sample(data_sample, match):
    metric = KNNMetric()
    metric.set_galleries(gallery())
    with pytest.raises(ValueError, match=match):
        metric.process(None, [data_sample])


def test_compute_metrics__no_sample():
    with pytest.raises(ValueError, match='validation set empty'):
        KNNMetric().compute_metrics([])


@pytest.mark.parametrize(
    ('kwargs', 'match'),
    [
        (dict(k=0), 'k must be at least 1, got 0'),
        (dict(temperature=-1), 'temperature must be .*got -1'),
        (dict(topk=()), r'topk must .*got \(\)'),
        (dict(topk=(1, 0)), r'topk must .*got \(1, 0\)'),
    ],
)
def test_init__bad_argument(kwargs, match):
    with pytest.raises(ValueError, match=match):
        KNNMetric(**kwargs)


def test_registry__built_from_a_config():
    metric = METRICS.build(dict(type='KNNMetric', k=3, prefix='val'))
    assert (metric.k, metric.prefix) == (3, 'val')
