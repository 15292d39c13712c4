"""A tiny data set and config, and a way to run the tools on them."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from warm_processes import run_script

ROOT = Path(__file__).resolve().parents[2]
NUM_TRAIN, NUM_VAL = 22, 9

CONFIG = """
_base_ = {base!r}
data_root = {data!r}
train_pipeline = [
    dict(type='mmpretrain.LoadImageFromFile'),
    dict(type='mmpretrain.NumpyToPIL', to_rgb=True),
    dict(type='mmpretrain.torchvision/RandomResizedCrop', size=8),
    dict(type='mmpretrain.PackInputs'),
]
test_pipeline = [
    dict(type='mmpretrain.LoadImageFromFile'),
    dict(type='mmpretrain.NumpyToPIL', to_rgb=True),
    dict(type='mmpretrain.PackInputs'),
]
data_preprocessor = dict(
    type='mmpretrain.ClsDataPreprocessor', mean=[127.0] * 3, std=[64.0] * 3
)


def images(folder, pipeline):
    return dict(
        type='mmpretrain.CustomDataset',
        data_root=data_root,
        data_prefix=folder,
        pipeline=pipeline,
    )


def loader(dataset, sampler):
    return dict(
        batch_size=8,
        num_workers=0,
        collate_fn=dict(type='default_collate'),
        sampler=dict(type=sampler, shuffle=False),
        dataset=dataset,
    )


train_dataloader = loader(
    dict(type='InstanceDataset', dataset=images('train', train_pipeline)),
    'InstanceSampler',
)
gallery_dataloader = loader(
    dict(type='InstanceDataset', dataset=images('train', test_pipeline)),
    'InstanceSampler',
)
val_dataloader = loader(images('val', test_pipeline), 'DefaultSampler')
test_dataloader = val_dataloader
del images, loader

model = dict(
    type='ISL',
    backbone=dict(
        type='mmpretrain.ResNet_CIFAR',
        depth=18,
        stem_channels=4,
        base_channels=4,
    ),
    neck=dict(type='ISLNeck', in_channels=32, out_channels=6),
    head=dict(type='ISLHead'),
    memory=dict(type='MemoryBank', feat_dim=6),
    miner=dict(type='KNNMiner', topk=3),
)
train_cfg = dict(
    type='RoundBasedTrainLoop',
    max_rounds=2,
    encoder=dict(max_epochs=1),
    mining=dict(num_views=1, quota_per_round=1.0),
)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
val_evaluator = dict(type='KNNMetric', k=5)
test_evaluator = val_evaluator
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01)
)
auto_scale_lr = dict(base_batch_size=32)
visualizer = dict(
    _delete_=True,
    type='Visualizer',
    vis_backends=[dict(type='LocalVisBackend')],
)
"""


@pytest.fixture(scope='session')
def tiny(tmp_path_factory):
    """Folder with a config, ``tiny.py``, and its images in 3 classes."""
    folder = tmp_path_factory.mktemp('tiny')
    rng = np.random.default_rng(0)
    for split, num in (('train', NUM_TRAIN), ('val', NUM_VAL)):
        for index in range(num):
            path = folder / split / f'class{index % 3}' / f'{index}.png'
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(path)
    base = ROOT / 'configs' / '_base_' / 'default_runtime.py'
    text = CONFIG.format(base=str(base), data=str(folder))
    (folder / 'tiny.py').write_text(text)
    return folder


@pytest.fixture(scope='session')
def run_tool():
    """Run a tool as a user does; gives the finished process.

    A Python tool runs in a warm process, or with ``fresh`` in one that must
    import all that it needs: at least one test of a tool does so.
    """

    def run(tool, *args, cwd=ROOT, env=None, fresh=False):
        path = ROOT / 'tools' / tool
        environment = {
            **os.environ,
            'PYTHONPATH': str(ROOT),
            'PYTHON': sys.executable,
            'OMP_NUM_THREADS': '1',
            'CUDA_VISIBLE_DEVICES': '',
            **(env or {}),
        }
        words = [*map(str, args)]
        is_python = path.suffix == '.py'
        if is_python and not fresh:
            return run_script(path, words, cwd=cwd, env=environment)
        return subprocess.run(
            [*([sys.executable] if is_python else []), str(path), *words],
            cwd=cwd,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )

    return run


@pytest.fixture(scope='session')
def trained(tiny, run_tool):
    """Work dir of a run of 2 epochs, and what it printed."""
    work_dir = tiny / 'trained'
    done = run_tool('train.py', tiny / 'tiny.py', '--work-dir', work_dir)
    assert done.returncode == 0, done.stderr
    return work_dir, done.stdout
