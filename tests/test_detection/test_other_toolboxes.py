"""mmdet's own tools run these configs, and its configs take our parts."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from backbones import save_run
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.utils import get_installed_path
from pretrained import make_pretrained, save_pretrained
from voc_sets import write_voc

pytest.importorskip('mmcv._ext', reason='needs the compiled ops of mmcv')
from mmdet.registry import MODELS

ROOT = Path(__file__).resolve().parents[2]
# A config as one would write it in another project: mmdet's RetinaNet on our
# AlexNet, found by its registry name.
ELSEWHERE = """
start = dict(type='mmisl.StrictPretrained', checkpoint={checkpoint!r})
_base_ = 'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py'
custom_imports = dict(imports=['mmisl.detection'], allow_failed_imports=False)
model = dict(
    backbone=dict(
        _delete_=True,
        type='mmisl.AlexNetBN',
        variant='imagenet',
        out_indices=(1, 2, 3, 4),
        init_cfg=start,
    ),
    neck=dict(in_channels=[192, 384, 256, 256]),
)
custom_hooks = [dict(type='mmisl.PreprocessingCheckHook')]
"""


def run_mmdet(*words):
    """mmdet's tools/train.py, in a process that knows nothing of mmisl."""
    tool = Path(get_installed_path('mmdet'), '.mim', 'tools', 'train.py')
    return subprocess.run(
        [sys.executable, tool, *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_mmdet_train__runs_a_config_of_ours(tmp_path):
    fc = dict(fc_channels=(24, 16))
    model = make_pretrained('isl_alexnet.py', neck=fc)
    checkpoint = save_pretrained(model, tmp_path / 'run.pth')
    write_voc(tmp_path)
    done = run_mmdet(
        'configs/detection/faster-rcnn_alexnet_voc07.py',
        '--work-dir',
        str(tmp_path / 'work'),
        '--cfg-options',
        f'model.init_cfg.checkpoint={checkpoint}',
        'model.roi_head.shared_head.fc_channels=[24,16]',
        'model.roi_head.bbox_head.in_channels=16',
        'model.train_cfg.rpn.allowed_border=-1',
        f'train_dataloader.dataset.data_root={tmp_path / "VOCdevkit"}',
        'train_dataloader.num_workers=0',
        'train_dataloader.persistent_workers=False',
        'train_dataloader.dataset.pipeline.2.scale=(80,60)',
        'train_cfg.max_iters=2',
        'default_hooks.checkpoint.interval=2',
        'val_cfg=None',
        'val_dataloader=None',
        'val_evaluator=None',
    )
    assert done.returncode == 0, done.stderr
    saved = torch.load(tmp_path / 'work' / 'iter_2.pth', weights_only=True)
    # conv1 is frozen, so it is still the pretrained one.
    key = 'backbone.conv1.0.weight'
    assert torch.equal(saved['state_dict'][key], model.state_dict()[key])
    key = 'backbone.conv5.0.weight'
    assert not torch.equal(saved['state_dict'][key], model.state_dict()[key])


def test_config_elsewhere__takes_our_backbone_by_name(tmp_path):
    model = make_pretrained('npid_alexnet.py', neck=dict(fc_channels=(8, 8)))
    checkpoint = str(save_run(model.backbone, tmp_path / 'run.pth'))
    path = tmp_path / 'retinanet.py'
    path.write_text(ELSEWHERE.format(checkpoint=checkpoint))
    with DefaultScope.overwrite_default_scope('mmdet'):
        detector = MODELS.build(Config.fromfile(path).model)
        detector.init_weights()
    for key, value in detector.backbone.state_dict().items():
        assert torch.equal(value, model.backbone.state_dict()[key]), key
    detector.eval()
    maps = detector.extract_feat(torch.randn(1, 3, 97, 130))
    assert [tuple(m.shape[-2:]) for m in maps][:2] == [(5, 7), (5, 7)]
