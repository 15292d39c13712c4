"""Detectors whose AlexNet is folded and rescaled, from file to resume."""

import random
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import RUNNERS
from voc_sets import SIZES, SPLITS, write_voc

if find_spec('mmdet') is None or find_spec('mmcv._ext') is None:
    pytest.skip(
        'needs mmdet and the compiled ops of mmcv: make test installs them',
        allow_module_level=True,
    )

from mmisl.datasets.instance_dataset import seeded
from mmisl.detection import RescalingHook, write_proposals
from mmisl.models import AlexNetBN, PoolingNeck
from mmisl.weights import IMAGENET, META_KEY

CONFIG = Path(__file__).parents[2] / 'configs/detection'
CHANNELS = (8, 10, 9, 7, 6)
FC_CHANNELS = (13, 11)


def save_pretrained(path):
    """AlexNet and its neck, as a run of ISL leaves them."""
    torch.manual_seed(0)
    backbone = AlexNetBN('imagenet', channels=CHANNELS)
    neck = PoolingNeck(CHANNELS[-1], fc_channels=FC_CHANNELS, map_size=6)
    backbone.init_weights()
    state = {f'backbone.{k}': v for k, v in backbone.state_dict().items()}
    state |= {f'neck.{k}': v for k, v in neck.state_dict().items()}
    for key, value in state.items():
        if key.endswith(('running_var', '1.weight')):
            value.uniform_(0.5, 1.5)
        elif key.endswith(('running_mean', '1.bias')):
            value.uniform_(-0.2, 0.2)
    meta = {'cfg': '', META_KEY: IMAGENET.to_meta()}
    torch.save(dict(meta=meta, state_dict=state), path)


def save_proposals(folder):
    """Boxes of every size."""
    rng = np.random.default_rng(0)
    for split, names in SPLITS.items():
        entries = {}
        for name in names:
            corners = rng.uniform(0, 1, (40, 2, 2)) * SIZES[name]
            boxes = np.hstack([corners.min(1), corners.max(1)])
            entries[f'JPEGImages/{name}.jpg'] = dict(
                bboxes=boxes.astype(np.float32),
                scores=np.linspace(1, 0, 40, dtype=np.float32),
            )
        path = f'VOCdevkit/VOC2007/proposals/selective_search_{split}.pkl'
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        write_proposals(folder / path, entries)


@pytest.fixture
def folder(tmp_path):
    write_voc(tmp_path)
    save_proposals(tmp_path)
    save_pretrained(tmp_path / 'pretrained.pth')
    return tmp_path


def make_runner(folder, detector='fast-rcnn', max_iters=2, **kwargs):
    """A config of the table, with little of everything."""
    cfg = Config.fromfile(CONFIG / f'{detector}_alexnet-folded_voc07.py')
    head = 'roi_head.shared_head'
    cfg.merge_from_dict({
        'model.init_cfg.checkpoint': str(folder / 'pretrained.pth'),
        'model.backbone.channels': CHANNELS,
        f'model.{head}.in_channels': CHANNELS[-1],
        f'model.{head}.fc_channels': FC_CHANNELS,
        'model.roi_head.bbox_roi_extractor.out_channels': CHANNELS[-1],
        'model.roi_head.bbox_head.in_channels': FC_CHANNELS[-1],
        'train_dataloader.num_workers': 0,
        'train_dataloader.persistent_workers': False,
        'train_dataloader.dataset.data_root': f'{folder}/VOCdevkit/',
        'default_hooks.checkpoint.interval': 2,
        'train_cfg.max_iters': max_iters,
        'work_dir': str(folder / 'work'),
        'experiment_name': f'{folder.name}-{random.random()}',
        **kwargs,
    })  # fmt: skip
    pipeline = cfg.train_dataloader.dataset.pipeline
    if detector == 'fast-rcnn':
        pipeline[3].transforms[0].scale = (160, 120)
    else:
        pipeline[2].scale = (160, 120)
        cfg.model.rpn_head.in_channels = CHANNELS[-1]
        cfg.model.rpn_head.anchor_generator.scales = [1, 2, 4]
    for key in ('val_dataloader', 'val_cfg', 'val_evaluator',
                'test_dataloader', 'test_cfg', 'test_evaluator'):  # fmt: skip
        cfg[key] = None
    cfg.visualizer.vis_backends = []
    return RUNNERS.build(cfg)


def started(folder):
    """A runner as far as ``train`` has come before ``before_train``."""
    runner = make_runner(folder)
    runner._train_loop = runner.build_train_loop(runner._train_loop)
    runner._init_model_weights()
    return runner


def losses_of(runner):
    """On the same regions each time, without dropout."""
    model = runner.model.eval()
    loader = runner.train_dataloader
    with seeded(0), torch.no_grad():
        batch = loader.collate_fn([loader.dataset[k] for k in (0, 1)])
        losses = model(**model.data_preprocessor(batch), mode='loss')
    return {key: value.item() for key, value in losses.items()}


def test_before_train__the_losses_stay(folder):
    runner = started(folder)
    before = losses_of(runner)
    weight = runner.model.backbone.conv2[0].weight.clone()
    RescalingHook().before_train(runner)
    assert not torch.allclose(runner.model.backbone.conv2[0].weight, weight)
    assert before['loss_cls'] > 1
    assert losses_of(runner) == pytest.approx(before, rel=1e-5)


@pytest.mark.parametrize('detector', ['fast-rcnn', 'faster-rcnn'])
def test_train__save_and_resume(folder, monkeypatch, detector):
    runner = make_runner(folder, detector)
    messages = []
    monkeypatch.setattr(runner.logger, 'info', messages.append)
    runner.train()
    seen = [line for line in messages if line.startswith('Rescaled layers')]
    assert len(seen) == 1
    saved = torch.load(folder / 'work' / 'iter_2.pth', weights_only=False)[
        'state_dict'
    ]
    assert not any('running' in key for key in saved)
    resumed = make_runner(folder, detector, max_iters=3, resume=True)
    monkeypatch.setattr(
        'mmisl.detection.rescaling_hook.rescale', lambda *_: pytest.fail()
    )
    resumed.train()
    assert resumed.iter == 3
    # conv1 is frozen: as rescaled in the first part.
    for key in ('backbone.conv1.0.weight', 'backbone.conv1.0.bias'):
        assert torch.equal(resumed.model.state_dict()[key], saved[key])
    key = 'roi_head.shared_head.fc7.0.weight'
    assert not torch.equal(resumed.model.state_dict()[key], saved[key])
