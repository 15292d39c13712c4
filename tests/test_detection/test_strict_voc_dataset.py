"""StrictVOCDataset: what it reads, and what it refuses."""

from importlib.util import find_spec

import numpy as np
import pytest
import torch
from torchvision.datasets import VOCDetection
from voc_sets import FAULTS, OBJECTS, Thing, write_voc, write_xml

if find_spec('mmdet') is None:
    pytest.skip('needs mmdet: make test installs it', allow_module_level=True)

from mmdet.datasets import VOCDataset

from mmisl.detection.per_class_voc_metric import PerClassVOCMetric
from mmisl.detection.proposals import write_proposals
from mmisl.detection.strict_voc_dataset import StrictVOCDataset

PIPELINE = [
    dict(type='mmdet.LoadAnnotations', with_bbox=True),
    dict(type='mmdet.PackDetInputs', meta_keys=('img_id',)),
]
FIVE, SEVEN = 'JPEGImages/000005.jpg', 'JPEGImages/000007.jpg'


def build(folder, split='trainval', kind=StrictVOCDataset, **kwargs):
    return kind(
        data_root=f'{folder}/VOCdevkit/',
        ann_file=f'VOC2007/ImageSets/Main/{split}.txt',
        data_prefix=dict(sub_data_root='VOC2007/'),
        pipeline=PIPELINE,
        **kwargs,
    )


@pytest.mark.parametrize('fault', FAULTS)
def test_fault__is_one_line(fault, tmp_path):
    spoil, kind, words = FAULTS[fault]
    spoil(write_voc(tmp_path))
    with pytest.raises(kind, match=words):
        build(tmp_path)


def test_vocdataset__still_drops_unknown_classes(tmp_path):
    # When this fails, the check of classes may be mmdet's to do.
    FAULTS['unknown class'][0](write_voc(tmp_path))
    dataset = build(tmp_path, kind=VOCDataset)
    assert len(dataset.get_data_info(0)['instances']) == 1


def test_leave_out__is_by_name(tmp_path):
    FAULTS['unknown class'][0](write_voc(tmp_path))
    dataset = build(tmp_path, leave_out=['unicorn'])
    labels = [x['bbox_label'] for x in dataset.get_data_info(0)['instances']]
    assert labels == [dataset.metainfo['classes'].index('dog')]


def test_files_elsewhere__are_refused(tmp_path):
    backend = dict(backend='http')
    with pytest.raises(ValueError, match=r"'http'.*must be None: .* local"):
        build(write_voc(tmp_path), backend_args=backend)


def read(dataset, index):
    """Objects of an image: (class, box) of the kept and of the ignored."""
    sample = dataset[index]['data_samples']
    return tuple(
        [
            (dataset.metainfo['classes'][label], tuple(box.tolist()))
            for label, box in zip(part.labels, part.bboxes.tensor)
        ]
        for part in (sample.gt_instances, sample.ignored_instances)
    )


@pytest.mark.parametrize('split', ['trainval', 'test'])
def test_real_files__as_torchvision_reads_them(split, real_voc):
    dataset = build(real_voc, split, test_mode=split == 'test')
    oracle = VOCDetection(real_voc, '2007', split)
    assert len(dataset) == len(oracle) == dict(trainval=400, test=290)[split]
    num_ignored = 0
    for index, (_, content) in enumerate(oracle):
        expected = ([], [])
        for item in content['annotation']['object']:
            sides = ('xmin', 'ymin', 'xmax', 'ymax')
            box = tuple(float(item['bndbox'][s]) - 1 for s in sides)
            expected[int(item['difficult'])].append((item['name'], box))
        assert read(dataset, index) == expected
        num_ignored += len(expected[1])
    # The counts of the set's own description.
    assert num_ignored == dict(trainval=334, test=199)[split]


@pytest.mark.parametrize('mode', ['11points', 'area'])
def test_real_files__who_finds_all_has_mean_ap_1(mode, real_voc):
    dataset = build(real_voc, 'test', test_mode=True)
    metric = PerClassVOCMetric(eval_mode=mode, prefix='voc')
    metric.dataset_meta = dataset.metainfo
    rng = np.random.default_rng(0)
    for index in range(len(dataset)):
        sample = dataset[index]['data_samples'].to_dict()
        parts = [sample[k] for k in ('gt_instances', 'ignored_instances')]
        for part in parts:
            part['bboxes'] = part['bboxes'].tensor
        both = {k: torch.cat([p[k] for p in parts]) for k in parts[0]}
        both['scores'] = torch.from_numpy(rng.random(len(both['labels'])))
        metric.process({}, [sample | dict(pred_instances=both)])
    scores = metric.evaluate(len(dataset))
    assert len(scores) == 2 + 20
    assert set(scores.values()) == {1.0}


def test_difficult__is_ignored_or_trained_on(tmp_path):
    write_voc(tmp_path)
    dog, cat = ('dog', (0, 0, 39, 29)), ('cat', (2, 3, 11, 19))
    assert read(build(tmp_path), 0) == ([dog], [cat])
    trained_on = build(tmp_path, train_on_difficult=True)
    assert read(trained_on, 0) == ([dog, cat], [])
    # Never in the test.
    tested = build(tmp_path, train_on_difficult=True, test_mode=True)
    assert read(tested, 0) == ([dog], [cat])


def test_bbox_min_size__ignores_boxes_without_width(tmp_path):
    # Of one column; as a target its width would be the logarithm of 0.
    column = Thing('dog', (7, 1, 7, 30))
    write_xml(write_voc(tmp_path), '000005', [column, OBJECTS['000005'][0]])
    dataset = build(tmp_path, filter_cfg=dict(bbox_min_size=1))
    assert read(dataset, 0) == (
        [('dog', (0, 0, 39, 29))],
        [('dog', (6, 0, 6, 29))],
    )


def test_own_classes__are_named_in_the_folder_of_voc(tmp_path):
    assert build(write_voc(tmp_path)).metainfo['dataset_type'] == 'VOC2007'
    classes = ('person', 'cat', 'dog', 'car')
    dataset = build(tmp_path, metainfo=dict(classes=classes))
    assert dataset.metainfo['dataset_type'] is None
    assert read(dataset, 0)[1][0][0] == 'cat'


def proposals(*keys):
    box = np.array([[1, 2, 3, 4]], np.float32)
    return {
        key: dict(bboxes=box + number, scores=np.ones(1, np.float32))
        for number, key in enumerate(keys)
    }


def test_proposals__of_every_image(tmp_path):
    # Listed in another order than the set's, which does not matter.
    write_proposals(tmp_path / 'VOCdevkit' / 'p.pkl', proposals(SEVEN, FIVE))
    dataset = build(write_voc(tmp_path), proposal_file='p.pkl')
    for index, first in enumerate([2, 1]):
        got = dataset.get_data_info(index)['proposals']['bboxes']
        assert got[0, 0] == first


@pytest.mark.parametrize(
    'keys, words',
    [
        ([FIVE], r'no proposals for JPEGImages/000007\.jpg of 2 images'),
        ([FIVE, SEVEN, 'JPEGImages/000001.jpg'], 'JPEGImages/000001.* split'),
        (['JPEGImages/000001.jpg', 'JPEGImages/000002.jpg'], 'another split'),
    ],
)
def test_proposals__of_another_split(keys, words, tmp_path):
    path = tmp_path / 'of_test.pkl'
    write_proposals(path, proposals(*keys))
    with pytest.raises(ValueError, match=rf'of_test\.pkl.*{words}'):
        build(write_voc(tmp_path), proposal_file=str(path))
