"""What a region over a difficult object is to a detector in training."""

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.structures import InstanceData

if find_spec('mmdet') is None or find_spec('mmcv._ext') is None:
    pytest.skip(
        'needs mmdet and the compiled ops of mmcv: make test installs them',
        allow_module_level=True,
    )

from mmdet.models.task_modules import MaxIoUAssigner
from voc_sets import write_voc

from mmisl.detection.strict_voc_dataset import StrictVOCDataset

CONFIGS = Path(__file__).parents[2] / 'configs' / 'detection'
BACKGROUND, NEITHER, FIRST, SECOND = 0, -1, 1, 2


def assign(folder, train_on_difficult=False, **assigner):
    """What two regions are, one on each object of image 000005."""
    dataset = StrictVOCDataset(
        data_root=f'{folder}/VOCdevkit/',
        ann_file='VOC2007/ImageSets/Main/trainval.txt',
        data_prefix=dict(sub_data_root='VOC2007/'),
        train_on_difficult=train_on_difficult,
        pipeline=[
            dict(type='mmdet.LoadAnnotations', with_bbox=True),
            dict(type='mmdet.PackDetInputs', meta_keys=()),
        ],
    )
    sample = dataset[0]['data_samples']
    for part in (sample.gt_instances, sample.ignored_instances):
        part.bboxes = part.bboxes.tensor
    # The whole dog, and the difficult cat.
    regions = torch.tensor([[0, 0, 39, 29], [2, 3, 11, 19]]).float()
    result = MaxIoUAssigner(**assigner).assign(
        InstanceData(priors=regions),
        sample.gt_instances,
        sample.ignored_instances,
    )
    return result.gt_inds.tolist()


@pytest.fixture
def assigner():
    """That of the configs, for the regions of the second stage."""
    cfg = Config.fromfile(CONFIGS / 'faster-rcnn_r18-c4_voc07.py')
    assigner = cfg.model.train_cfg.rcnn.assigner.to_dict()
    assert assigner.pop('type') == 'MaxIoUAssigner'
    return assigner


def test_configs__it_is_background(assigner, tmp_path):
    # As in py-faster-rcnn, which takes difficult objects out.
    write_voc(tmp_path)
    assert assign(tmp_path, **assigner) == [FIRST, BACKGROUND]


def test_ignore_iof_thr__it_is_neither(assigner, tmp_path):
    assigner['ignore_iof_thr'] = 0.5
    write_voc(tmp_path)
    assert assign(tmp_path, **assigner) == [FIRST, NEITHER]


def test_train_on_difficult__it_is_an_object(assigner, tmp_path):
    # As in detectron2.
    write_voc(tmp_path)
    got = assign(tmp_path, train_on_difficult=True, **assigner)
    assert got == [FIRST, SECOND]
