"""Mean average precision of VOC, by mmdet's metric and by hand."""

import multiprocessing
import warnings
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from mmengine.dist import get_rank, get_world_size
from mmengine.logging import MMLogger
from ranks import run_on_ranks
from reference.voc import Detection, Truth, average_precision

if find_spec('mmdet') is None:
    pytest.skip('needs mmdet: make test installs it', allow_module_level=True)

from mmdet.evaluation import VOCMetric

from mmisl.detection.per_class_voc_metric import PerClassVOCMetric
from mmisl.detection.strict_voc_dataset import StrictVOCDataset

CLASSES = ('dog', 'cat', 'cow', 'horse')
DOG, CAT, COW, HORSE = range(4)
MODES = ('11points', 'area')
# Boxes of 10 x 10 pixels: both corners belong to a box.
LEFT, MIDDLE, RIGHT = (0, 0, 9, 9), (20, 0, 29, 9), (40, 0, 49, 9)
BELOW = (0, 20, 9, 29)


def boxes(rows, width=4):
    return torch.tensor(rows, dtype=torch.float32).reshape(-1, width)


def sample(truth, ignored, found):
    """Of an image: (label, box), the same, and (label, score, box)."""
    return dict(
        gt_instances=dict(
            bboxes=boxes([box for _, box in truth]),
            labels=torch.tensor([k for k, _ in truth], dtype=torch.long),
        ),
        ignored_instances=dict(
            bboxes=boxes([box for _, box in ignored]),
            labels=torch.tensor([k for k, _ in ignored], dtype=torch.long),
        ),
        pred_instances=dict(
            bboxes=boxes([box for _, _, box in found]),
            scores=boxes([score for _, score, _ in found], 1)[:, 0],
            labels=torch.tensor([k for k, _, _ in found], dtype=torch.long),
        ),
    )


# Dogs by falling score:
#   0.9  first image, LEFT             right
#   0.8  the same once more            wrong: a duplicate
#   0.7  RIGHT, twice, is difficult    left out
#   0.6  second image, MIDDLE          wrong: it is a cat
#   0.5  upper half of LEFT            right: 50 / 100 pixels are a half
#   0.4  0.4 of BELOW                  wrong, and that dog is missed
#   0.35 where nothing is              wrong
#   0.3  first image, MIDDLE           right
MISTAKES = [
    sample(
        truth=[(DOG, LEFT), (DOG, MIDDLE)],
        ignored=[(DOG, RIGHT), (CAT, LEFT)],
        found=[
            (DOG, 0.3, MIDDLE),
            (DOG, 0.8, LEFT),
            (DOG, 0.9, LEFT),
            (DOG, 0.7, RIGHT),
            (DOG, 0.65, RIGHT),
            (DOG, 0.35, (60, 60, 69, 69)),
        ],
    ),
    sample(
        truth=[(DOG, LEFT), (CAT, MIDDLE), (DOG, BELOW)],
        ignored=[],
        found=[
            (DOG, 0.5, (0, 0, 9, 4)),
            (DOG, 0.4, (0, 20, 9, 23)),
            (DOG, 0.6, MIDDLE),
            (CAT, 0.1, MIDDLE),
        ],
    ),
    # No cow anywhere, and a horse that is missed.
    sample(
        truth=[(HORSE, LEFT)], ignored=[], found=[(COW, 0.9, MIDDLE)]
    ),
]  # fmt: skip
# right, wrong, wrong, right, wrong, wrong, right; 4 dogs to be found:
# recall    1/4  1/4  1/4  2/4  2/4  2/4  3/4
# precision 1    1/2  1/3  2/4  2/5  2/6  3/7
# The best precision is 1 up to a recall of 1/4, 1/2 up to 2/4, 3/7 up to 3/4.
DOG_AP = {
    # Recalls 0, 0.1, 0.2; then 0.3, 0.4, 0.5; then 0.6, 0.7; then nothing.
    '11points': (3 * 1 + 3 * 1 / 2 + 2 * 3 / 7) / 11,
    'area': 1 / 4 * (1 + 1 / 2 + 3 / 7),
}


def evaluate(kind, mode, samples, classes=CLASSES, **meta):
    metric = kind(eval_mode=mode, prefix='voc')
    metric.dataset_meta = dict(classes=classes, **meta)
    for item in samples:
        metric.process({}, [item])
    return metric.evaluate(len(samples))


@pytest.mark.parametrize('mode', MODES)
def test_mistakes__by_hand(mode):
    got = evaluate(PerClassVOCMetric, mode, MISTAKES)
    # A class without objects has no part in the mean.
    mean = (DOG_AP[mode] + 1 + 0) / 3
    expected = {
        'voc/mAP': mean,
        'voc/AP50': mean,
        'voc/AP50_dog': DOG_AP[mode],
        'voc/AP50_cat': 1,
        'voc/AP50_horse': 0,
    }
    assert got == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize('mode', MODES)
def test_mistakes__by_the_class_of_mmdet(mode):
    got = evaluate(VOCMetric, mode, MISTAKES)
    assert got['voc/mAP'] == pytest.approx((DOG_AP[mode] + 1) / 3, abs=1e-6)


def test_vocmetric__still_rounds():
    # When this fails, PerClassVOCMetric need not mend it any more.
    got = evaluate(VOCMetric, 'area', MISTAKES)
    assert got['voc/AP50'] == 0.494
    assert got['voc/mAP'] == pytest.approx(0.4940476, abs=1e-6)


def test_11points__recalls_are_those_of_py_faster_rcnn():
    truth = [(DOG, (20 * i, 0, 20 * i + 9, 9)) for i in range(10)]
    found = [(DOG, 0.9, box) for _, box in truth[:3]]
    got = evaluate(PerClassVOCMetric, '11points', [sample(truth, [], found)])
    # Precision 1 at recalls 0, 0.1, 0.2; 3 / 10 < 3 * 0.1 in floating point.
    assert got['voc/mAP'] == pytest.approx(3 / 11, abs=1e-6)


def random_box(rng):
    x, y = rng.integers(0, 60, 2)
    width, height = rng.integers(0, 40, 2)
    return tuple(map(float, (x, y, x + width, y + height)))


def guesses(rng, label, box, num_classes):
    """A few detections near an object, one in ten of another class."""
    for _ in range(rng.integers(0, 4)):
        moved = np.array(box) + rng.normal(0, 3, 4)
        moved[2:] = np.maximum(moved[:2], moved[2:])
        other = rng.random() < 0.1
        guess = int(rng.integers(num_classes)) if other else label
        yield guess, rng.random(), tuple(moved)


def random_samples(rng, num_images):
    """Many objects close together, and detections near them."""
    samples = []
    for _ in range(num_images):
        truth, ignored, found = [], [], []
        for _ in range(rng.integers(0, 7)):
            label, box = int(rng.integers(3)), random_box(rng)
            (ignored if rng.random() < 0.3 else truth).append((label, box))
            found += guesses(rng, label, box, len(CLASSES))
        samples.append(sample(truth, ignored, found))
    return samples


def by_the_reference(samples, mode, num_classes):
    """Average precision of every class with an object to be found."""
    scores = {}
    for label in range(num_classes):
        truth, found = [], []
        for image, item in enumerate(samples):
            for part in ('gt_instances', 'ignored_instances'):
                truth += [
                    Truth(image, tuple(box), part == 'ignored_instances')
                    for box in of_class(item[part], label)['bboxes'].tolist()
                ]
            mine = of_class(item['pred_instances'], label)
            pairs = zip(mine['bboxes'].tolist(), mine['scores'].tolist())
            found += [Detection(image, tuple(b), s) for b, s in pairs]
        if any(not item.difficult for item in truth):
            scores[label] = average_precision(truth, found, mode)
    return scores


def of_class(instances, label):
    chosen = instances['labels'] == label
    return {key: value[chosen] for key, value in instances.items()}


def check_against_the_reference(samples, mode, classes):
    """Compare all classes; gives how many have an object to be found."""
    expected = by_the_reference(samples, mode, len(classes))
    got = evaluate(PerClassVOCMetric, mode, samples, classes)
    mean = np.mean(list(expected.values()))
    means = {'voc/mAP': mean, 'voc/AP50': mean}
    by_class = {f'voc/AP50_{classes[k]}': v for k, v in expected.items()}
    assert got == pytest.approx(means | by_class, abs=1e-6)
    assert all(0 < value < 1 for value in expected.values())
    return len(expected)


@pytest.mark.parametrize('mode', MODES)
@pytest.mark.parametrize('seed', range(3))
def test_random_boxes__equal_the_reference(mode, seed):
    samples = random_samples(np.random.default_rng(seed), num_images=23)
    # There is no horse.
    assert check_against_the_reference(samples, mode, CLASSES) == 3


@pytest.mark.parametrize('mode', MODES)
def test_real_boxes__equal_the_reference(mode, real_voc):
    dataset = StrictVOCDataset(
        data_root=str(real_voc / 'VOCdevkit'),
        ann_file='VOC2007/ImageSets/Main/test.txt',
        data_prefix=dict(sub_data_root='VOC2007/'),
        test_mode=True,
    )
    classes = dataset.metainfo['classes']
    rng = np.random.default_rng(0)
    samples = []
    for index in range(len(dataset)):
        parts, found = ([], []), []
        for item in dataset.get_data_info(index)['instances']:
            label, box = item['bbox_label'], item['bbox']
            parts[item['ignore_flag']].append((label, box))
            found += guesses(rng, label, box, len(classes))
        samples.append(sample(*parts, found))
    assert check_against_the_reference(samples, mode, classes) == 20


def one_share():
    """Metrics of samples dealt out over the ranks, as a sampler does."""
    # As runners do. A spawned rank would spawn the workers of mmdet as well,
    # each of which imports everything anew.
    multiprocessing.set_start_method('fork', force=True)
    samples = random_samples(np.random.default_rng(0), num_images=7)
    metric = PerClassVOCMetric(eval_mode='area', prefix='voc')
    metric.dataset_meta = dict(classes=CLASSES)
    rank, world = get_rank(), get_world_size()
    # With two ranks the second gets the first image again, to be in step.
    share = range(rank, -(-len(samples) // world) * world, world)
    for index in share:
        metric.process({}, [samples[index % len(samples)]])
    return metric.evaluate(len(samples))


def test_two_ranks__equal_one(tmp_path):
    alone = one_share()
    assert 0 < alone['voc/mAP'] < 1
    assert run_on_ranks(one_share, 2, tmp_path) == [alone, alone]


def logged(capsys, kind, name, **meta):
    MMLogger.get_instance(name, logger_name=name)
    evaluate(kind, '11points', MISTAKES, **meta)
    return capsys.readouterr().out


def test_log__has_a_line_for_every_class(capsys):
    text = logged(
        capsys, PerClassVOCMetric, 'voc_names', dataset_type='VOC2007'
    )
    rows = [
        [cell.strip() for cell in line.strip('|').split('|')]
        for line in text.splitlines()
        if line.startswith('|')
    ]
    assert 'AP50 by 11points:' in text
    assert rows == [
        ['class', 'gts', 'dets', 'recall', 'ap'],
        ['dog', '4', '9', '0.750', '0.487'],
        ['cat', '1', '1', '1.000', '1.000'],
        ['cow', '0', '1', '0.000', '0.000'],
        ['horse', '1', '0', '0.000', '0.000'],
        ['mAP', '', '', '', '0.496'],
    ]


def test_vocmetric__still_names_vocs_classes(capsys):
    # When this fails, StrictVOCDataset need not take out the type any more.
    text = logged(capsys, VOCMetric, 'their_names', dataset_type='VOC2007')
    assert '| aeroplane | 4' in text
    text = logged(capsys, VOCMetric, 'our_names', dataset_type=None)
    assert '| dog ' in text


def test_area__does_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        evaluate(PerClassVOCMetric, 'area', MISTAKES, dataset_type='VOC2007')


@pytest.mark.parametrize(
    'arguments', [dict(metric='recall'), dict(scale_ranges=[(0, 32)])]
)
def test_other_measures__are_refused(arguments):
    with pytest.raises(ValueError, match=r"must be 'mAP' and scale_ranges"):
        PerClassVOCMetric(**arguments)
