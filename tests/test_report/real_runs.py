"""Tiny trainings by the tools, each in a process of its own."""

import importlib
import os
import sys
import tarfile
import time
from pathlib import Path

import torch
from PIL import Image
from tiny_run import ROOT
from warm_processes import process_context

from mmisl.datasets import make_digits_textures
from mmisl.structures import snapshot_path

# Folders that make class names; a file system allows all but a slash.
CLASSES = {
    '0': '<img src=x onerror="window.__xss=1">',
    '1': 'it\'s "чижик" & 小鸟',
    '2': 'n' * 120,
}
CIFAR_CLASSES = ('airplane', 'automobile', 'bird')
TEXT = """
_base_ = {base!r}
train_pipeline = [
    dict(type='mmpretrain.LoadImageFromFile'),
    dict(type='mmpretrain.NumpyToPIL', to_rgb=True),
    dict(type='mmpretrain.torchvision/RandomResizedCrop', size=32),
    dict(type='mmpretrain.PackInputs'),
]
test_pipeline = [train_pipeline[0], train_pipeline[1], train_pipeline[3]]


def loader(folder, pipeline, sampler='InstanceSampler'):
    return dict(
        batch_size=30,
        num_workers=0,
        collate_fn=dict(type='default_collate'),
        sampler=dict(type=sampler, shuffle=folder == 'train'),
        dataset=dict(
            type='InstanceDataset',
            dataset=dict(
                type='mmpretrain.CustomDataset',
                data_root='data/some "images"',
                data_prefix='train',
                pipeline=pipeline,
            ),
        ),
    )


train_dataloader = loader('train', train_pipeline)
gallery_dataloader = loader('gallery', test_pipeline)
del loader
data_preprocessor = dict(
    type='mmpretrain.ClsDataPreprocessor', mean=[110.0] * 3, std=[60.0] * 3
)
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
    miner=dict(type='KNNMiner', topk=5),
)
train_cfg = dict(
    type='RoundBasedTrainLoop',
    max_rounds=3,
    encoder=dict(max_epochs=1),
    mining=dict(num_views=1, quota_per_round=2.0),
)
custom_hooks = [
    dict(type='MemoryBankHook'),
    dict(type='MiningSnapshotHook'),
]
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01))
default_hooks = dict(logger=dict(interval=1))
visualizer = dict(
    _delete_=True,
    type='Visualizer',
    vis_backends=[dict(type='LocalVisBackend')],
)
env_cfg = dict(dist_cfg=dict(backend='gloo'))
"""


def write_config(folder):
    """``config.py`` in a folder that has its images below ``data``."""
    base = str(ROOT / 'configs' / '_base_' / 'default_runtime.py')
    (folder / 'config.py').write_text(TEXT.format(base=base))
    return folder


def write_digits(folder):
    """60 digits in 3 classes, whose names are hard to show."""
    make_digits_textures(folder / 'all')
    for digit, name in CLASSES.items():
        target = folder / 'data' / 'some "images"' / 'train' / name
        target.mkdir(parents=True)
        source = sorted((folder / 'all' / 'train' / digit).glob('*.png'))
        for path in source[:20]:
            path.rename(target / path.name)
    return write_config(folder)


def write_cifar(folder, archive):
    """90 photographs of CIFAR-10 in 3 classes, out of the whole archive."""
    wanted = dict.fromkeys(CIFAR_CLASSES, 30)
    root = folder / 'data' / 'some "images"'
    with tarfile.open(archive, 'r|xz') as tar:
        for member in tar:
            parts = Path(member.name).parts
            if member.isfile() and wanted.get(parts[1]) and 'train' in parts:
                tar.extract(member, root, filter='data')
                wanted[parts[1]] -= 1
            if not any(wanted.values()):
                break
    return write_config(folder)


def start_tool(name, argv, folder):
    """A tool in a process forked from a server that has torch imported."""
    process = process_context().Process(
        target=_run_tool, args=(name, list(map(str, argv)), str(folder))
    )
    process.start()
    return process


def run_tool(name, argv, folder):
    """Run a tool to its end; gives its exit code and what it printed."""
    process = start_tool(name, argv, folder)
    process.join()
    return process.exitcode, _log_of(folder, name).read_text()


def kill_in_round_1(argv, folder, work_dir):
    """Train, and kill the process once round 0 is mined."""
    process = start_tool('train', argv, folder)
    while process.is_alive() and not snapshot_path(work_dir, 0).is_file():
        time.sleep(0.01)
    process.kill()
    process.join()
    return process.exitcode


def mean_colour(path):
    """Of an image file, in 0..255."""
    return Image.open(path).convert('RGB').resize((1, 1), 4).getpixel((0, 0))


def _log_of(folder, name):
    return Path(folder, f'{name}.log')


def _run_tool(name, argv, folder):
    os.chdir(folder)
    with open(_log_of(folder, name), 'w') as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    torch.set_num_threads(1)
    sys.path.insert(0, str(ROOT / 'tools'))
    common = importlib.import_module('common')
    tool = importlib.import_module(name)
    sys.argv = [f'tools/{name}.py', *argv]
    common.run_tool(getattr(tool, name), tool.parse_args())
