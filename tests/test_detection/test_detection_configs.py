"""Every config of detection is read, checked, built, and takes a step."""

import ast
import re

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData
from pretrained import CONFIGS

from mmisl.config_check import check_config

pytest.importorskip('mmcv._ext', reason='needs the compiled ops of mmcv')
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample

FOLDER = CONFIGS / 'detection'
NUM_CONFIGS = 13
PATHS = sorted(FOLDER.glob('*.py'))
BASES = sorted((FOLDER / '_base_').glob('*.py'))


def test_detection_configs__number():
    assert len(PATHS) == NUM_CONFIGS


def test_detection_configs__readme_names_each():
    text = (FOLDER / 'README.md').read_text()
    named = set(re.findall(r'[\w-]+\.py', text))
    assert {path.name for path in PATHS} <= named
    # And nothing that is not there.
    assert {name for name in named if 'rcnn' in name} <= {
        path.name for path in PATHS
    }


@pytest.fixture(params=PATHS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture
def cfg(path):
    with DefaultScope.overwrite_default_scope('mmdet'):
        yield Config.fromfile(path)


def docstring_of(path):
    return ast.get_docstring(ast.parse(path.read_text())) or ''


def test_detection_configs__docstring(path):
    text = ' '.join(docstring_of(path).split())
    assert f'configs/detection/{path.name}' in text
    assert 'Hardware meant for: ' in text
    if not path.stem.startswith('demo'):
        assert re.search('Paper: .* Here: ', text)


@pytest.mark.parametrize('base', BASES, ids=lambda path: path.stem)
def test_bases__each_has_a_user_and_a_docstring(base):
    users = [p for p in PATHS + BASES if base.name in p.read_text()]
    assert set(users) - {base}
    assert docstring_of(base)


def test_detection_configs__check(cfg):
    check_config(cfg)


def test_detection_configs__schedule(cfg):
    loop, checkpoint = cfg.train_cfg, cfg.default_hooks.checkpoint
    last = loop.max_epochs if checkpoint.by_epoch else loop.max_iters
    assert last % checkpoint.interval == 0
    assert last % loop.val_interval == 0
    for scheduler in cfg.param_scheduler:
        if scheduler.type == 'MultiStepLR':
            assert scheduler.by_epoch is checkpoint.by_epoch
            assert max(scheduler.milestones) < last
        elif scheduler.type == 'CosineAnnealingLR':
            assert scheduler.by_epoch is checkpoint.by_epoch
            assert scheduler.get('begin', 0) + scheduler.T_max == last


def make_batch(with_proposals):
    """Two images of unlike sizes, one object in the first."""
    generator = torch.Generator().manual_seed(0)
    inputs, samples = [], []
    for height, width, boxes in (
        (96, 130, [[20.0, 16.0, 90.0, 80.0]]),
        (80, 97, []),
    ):
        inputs.append(
            torch.randint(
                0,
                256,
                (3, height, width),
                dtype=torch.uint8,
                generator=generator,
            )
        )
        sample = DetDataSample(
            metainfo=dict(
                img_shape=(height, width),
                ori_shape=(height, width),
                scale_factor=(1.0, 1.0),
            )
        )
        sample.gt_instances = InstanceData(
            bboxes=torch.tensor(boxes).reshape(-1, 4),
            labels=torch.full((len(boxes),), 7),
        )
        sample.ignored_instances = InstanceData(bboxes=torch.zeros(0, 4))
        if with_proposals:
            corner = torch.rand(30, 2, generator=generator) * 40
            size = 16 + torch.rand(30, 2, generator=generator) * 30
            sample.proposals = InstanceData(
                bboxes=torch.cat([corner, corner + size], 1)
            )
        samples.append(sample)
    return dict(inputs=inputs, data_samples=samples)


def test_detection_configs__a_step(cfg):
    cfg.model.init_cfg = None
    cfg.model.train_cfg.rcnn.sampler.num = 12
    if 'rpn' in cfg.model.train_cfg:
        # Anchors are larger than these images.
        cfg.model.train_cfg.rpn.allowed_border = -1
    is_fast = cfg.model.type == 'FastRCNN'
    classes = cfg.train_dataloader.dataset.get('metainfo', {}).get('classes')
    detector = MODELS.build(cfg.model)
    detector.train()
    expected = len(classes) if classes else 20
    assert detector.roi_head.bbox_head.num_classes == expected
    data = detector.data_preprocessor(make_batch(is_fast), True)
    losses = detector(**data, mode='loss')
    total, _ = detector.parse_losses(losses)
    total.backward()
    names = {'loss_cls', 'loss_bbox', 'acc'}
    names |= set() if is_fast else {'loss_rpn_cls', 'loss_rpn_bbox'}
    assert set(losses) == names
    assert total.isfinite()
    check_gradients(detector, cfg)


def check_gradients(detector, cfg):
    """What is not frozen learns, and what is frozen does not."""
    unmoved = {
        name.rpartition('.')[0]
        for name, parameter in detector.named_parameters()
        if parameter.grad is None
    }
    norms = {
        name
        for name, module in detector.named_modules()
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm)
    }
    stages = cfg.model.backbone.get('frozen_stages', -1)
    if 'AlexNetBN' in cfg.model.backbone.type:
        frozen = {'backbone.conv1.0'} | norms
    elif stages >= 0:
        frozen = {
            name
            for name, _ in detector.backbone.named_modules(prefix='backbone')
            if re.match(r'backbone\.(conv1|layer1)\b', name)
        } | norms
        assert stages == 1
    else:
        frozen = set()
    assert unmoved <= frozen
    assert norms & unmoved == norms & frozen
