"""Numbers of the configs that decide what a detector learns from."""

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData
from pretrained import CONFIGS

pytest.importorskip('mmcv._ext', reason='needs the compiled ops of mmcv')
from mmdet.registry import MODELS, TASK_UTILS

FOLDER = CONFIGS / 'detection'


@pytest.fixture(autouse=True)
def scope():
    with DefaultScope.overwrite_default_scope('mmdet'):
        yield


def read(name):
    return Config.fromfile(FOLDER / f'{name}_voc07.py')


@pytest.mark.parametrize(
    'name, num_images',
    [
        ('fast-rcnn_alexnet', 2),
        ('fast-rcnn_alexnet-deepcluster', 2),
        ('fast-rcnn_alexnet-folded', 2),
        # Girshick trains it end to end with one.
        ('faster-rcnn_alexnet', 1),
        ('faster-rcnn_alexnet-folded', 1),
    ],
)
def test_alexnet__regions_of_an_iteration(name, num_images):
    cfg = read(name)
    assert cfg.train_dataloader.batch_size == 2
    assert cfg.model.train_cfg.rcnn.sampler.num * num_images == 128


@pytest.mark.parametrize(
    'name',
    ['faster-rcnn_alexnet', 'faster-rcnn_r50-c4', 'faster-rcnn_r18-c4'],
)
def test_rpn__best_anchor_of_a_small_object(name):
    cfg = read(name)
    assigner = TASK_UTILS.build(cfg.model.train_cfg.rpn.assigner)
    anchors = torch.tensor(
        [[0.0, 0, 128, 128], [16, 0, 144, 128], [300, 300, 428, 428]]
    )
    # The first is inside one anchor only, the second meets none.
    objects = torch.tensor([[2.0, 40, 14, 60], [500, 0, 520, 20]])
    result = assigner.assign(
        InstanceData(priors=anchors),
        InstanceData(bboxes=objects, labels=torch.tensor([0, 0])),
    )
    assert result.gt_inds.tolist() == [1, 0, 0]


def seen_by(backbone, cell, size=300):
    """First and last pixel, in y, that a cell of the last map looks at."""
    # Of the maximum only one pixel would have a gradient.
    backbone.pool = torch.nn.AvgPool2d(
        backbone.pool.kernel_size, backbone.pool.stride
    )
    for module in backbone.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.constant_(module.weight, 1e-3)
    image = torch.ones(1, 3, size, size, requires_grad=True)
    backbone.eval()(image)[-1][0, 0, cell, cell].backward()
    rows = image.grad.abs().sum((0, 1, 3)).nonzero()
    return rows.min().item(), rows.max().item()


def test_alexnet__regions_and_anchors_lie_on_the_cells():
    cfg = read('faster-rcnn_alexnet')
    first, last = seen_by(MODELS.build(cfg.model.backbone), cell=8)
    assert (first > 0) and (last < 299)  # nothing is cut off
    center = (first + last) / 2
    extractor = cfg.model.roi_head.bbox_roi_extractor
    assert center == extractor.first_center + 16 * 8
    generator = TASK_UTILS.build(cfg.model.rpn_head.anchor_generator)
    anchors = generator.grid_priors([(10, 10)], device='cpu')[0]
    anchors = anchors.reshape(10, 10, 9, 4)
    middle = (anchors[8, 8, :, :2] + anchors[8, 8, :, 2:]) / 2
    torch.testing.assert_close(middle, torch.full((9, 2), center))


@pytest.mark.parametrize(
    'name', ['faster-rcnn_r18-c4', 'faster-rcnn_r50-fpn', 'fast-rcnn_r18-c4']
)
def test_moco__normalisation_does_not_decay(name):
    cfg = read(name)
    cfg.model.backbone.depth = 18
    if cfg.model.get('neck'):
        cfg.model.neck.in_channels = [64, 128, 256, 512]
    detector = MODELS.build(cfg.model)
    wrapper = build_optim_wrapper(detector, cfg.optim_wrapper)
    decay = {
        id(parameter): group['weight_decay']
        for group in wrapper.param_groups
        for parameter in group['params']
        if isinstance(parameter, torch.nn.Parameter)
    }
    is_norm = {
        id(parameter): isinstance(module, torch.nn.BatchNorm2d)
        for module in detector.modules()
        for parameter in module.parameters(recurse=False)
    }
    assert decay == {key: 0 if is_norm[key] else 1e-4 for key in is_norm}


@pytest.mark.parametrize(
    'name, expected',
    [
        ('faster-rcnn_r50-c4', True),
        ('faster-rcnn_r50-c4-frozenbn', False),
        ('faster-rcnn_alexnet', False),
    ],
)
def test_difficult_objects__trained_on_in_mocos_protocol(name, expected):
    dataset = read(name).train_dataloader.dataset
    assert dataset.get('train_on_difficult', False) is expected
