"""mmdet reads the files of proposals, on real images of VOC2007."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from mmdet.registry import DATASETS
from mmdet.utils import register_all_modules

from mmisl.detection import proposal_key, write_proposals

ARCHIVE = (
    Path(__file__).resolve().parents[3] / 'shared/data/voc2007_subset.zip'
)
NUM_IMAGES = 6
MOVES = [
    dict(type='Resize', scale=(300, 200), keep_ratio=True),
    dict(type='RandomFlip', prob=1.0),
]


@pytest.fixture(scope='module')
def devkit(tmp_path_factory):
    """VOCdevkit with the first images of trainval."""
    if not ARCHIVE.is_file():
        pytest.skip('voc2007_subset.zip is not in ../shared/data')
    folder = tmp_path_factory.mktemp('voc')
    year = 'VOCdevkit/VOC2007'
    with zipfile.ZipFile(ARCHIVE) as archive:
        names = archive.read(f'{year}/ImageSets/Main/trainval.txt')
        ids = names.decode().split()[:NUM_IMAGES]
        for image in ids:
            archive.extract(f'{year}/JPEGImages/{image}.jpg', folder)
            archive.extract(f'{year}/Annotations/{image}.xml', folder)
    lists = folder / year / 'ImageSets' / 'Main'
    lists.mkdir(parents=True)
    (lists / 'trainval.txt').write_text('\n'.join(ids))
    return folder / 'VOCdevkit'


def build(devkit, moves, **settings):
    """The data set of a Fast R-CNN, with these moves in its pipeline."""
    register_all_modules()
    pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type='LoadProposals', num_max_proposals=40),
        dict(type='LoadAnnotations', with_bbox=True),
        dict(type='ProposalBroadcaster', transforms=moves),
        dict(type='PackDetInputs'),
    ]
    return DATASETS.build(
        dict(
            type='VOCDataset',
            data_root=str(devkit),
            ann_file='VOC2007/ImageSets/Main/trainval.txt',
            data_prefix=dict(sub_data_root='VOC2007/'),
            pipeline=pipeline,
            **settings,
        )
    )


def infos_of(devkit):
    dataset = build(devkit, [], test_mode=True)
    return [dataset.get_data_info(index) for index in range(NUM_IMAGES)]


def boxes_of(info):
    return np.array([i['bbox'] for i in info['instances']], dtype=np.float32)


def write_true_boxes(devkit, infos):
    """A file of proposals that are the boxes of the objects themselves."""
    proposals = {}
    for info in infos:
        bboxes = boxes_of(info)
        scores = np.linspace(1, 0, len(bboxes), dtype=np.float32)
        key = proposal_key(info['img_path'])
        proposals[key] = {'bboxes': bboxes, 'scores': scores}
    write_proposals(devkit / 'VOC2007' / 'p.pkl', proposals)
    return 'VOC2007/p.pkl'


def test_proposals__move_with_the_image(devkit):
    infos = infos_of(devkit)
    dataset = build(
        devkit, MOVES, proposal_file=write_true_boxes(devkit, infos)
    )
    assert len(dataset) == NUM_IMAGES
    for index, info in enumerate(infos):
        sample = dataset[index]['data_samples']
        proposals = sample.proposals.bboxes.numpy()
        truth = sample.gt_instances.bboxes.tensor.numpy()
        both = np.concatenate([truth, sample.ignored_instances.bboxes.tensor])
        # The data set sorts the difficult ones out of the others.
        order = np.argsort(
            [i['ignore_flag'] for i in info['instances']], kind='stable'
        )
        np.testing.assert_allclose(proposals[order], both, atol=1e-3)
        # By hand: scaled, then mirrored in the new width.
        height, width = sample.img_shape
        scale = np.array([width / info['width'], height / info['height']] * 2)
        x1, y1, x2, y2 = (boxes_of(info) * scale).T
        mirrored = np.stack([width - x2, y1, width - x1, y2], axis=1)
        np.testing.assert_allclose(proposals, mirrored, atol=1e-3)
        assert (width, height) != (info['width'], info['height'])


def test_proposals__are_those_of_their_image_after_filtering(devkit):
    infos = infos_of(devkit)
    sides = [min(info['width'], info['height']) for info in infos]
    least = min(sides) + 1
    dataset = build(
        devkit,
        [],
        proposal_file=write_true_boxes(devkit, infos),
        filter_cfg=dict(filter_empty_gt=True, min_size=least),
    )
    kept = [info for info, side in zip(infos, sides) if side >= least]
    assert 0 < len(dataset) == len(kept) < NUM_IMAGES
    for index, info in enumerate(kept):
        sample = dataset[index]['data_samples']
        assert sample.img_id == info['img_id']
        np.testing.assert_array_equal(
            sample.proposals.bboxes.numpy(), boxes_of(info)
        )
        # The first of a file are the best.
        scores = sample.proposals.scores.numpy()
        assert (np.diff(scores) < 0).all()


def test_proposals__an_image_may_have_none(devkit):
    infos = infos_of(devkit)
    empty = {
        'bboxes': np.zeros((0, 4), dtype=np.float32),
        'scores': np.zeros(0, dtype=np.float32),
    }
    keys = [proposal_key(info['img_path']) for info in infos]
    path = devkit / 'VOC2007' / 'none.pkl'
    write_proposals(path, dict.fromkeys(keys, empty))
    dataset = build(devkit, MOVES, proposal_file=str(path))
    for index in range(NUM_IMAGES):
        sample = dataset[index]['data_samples']
        assert sample.proposals.bboxes.shape == (0, 4)
        assert len(sample.gt_instances.bboxes)
