"""Write the features of images to a file.

Usage:
    python tools/extract_features.py CONFIG CHECKPOINT OUT.npz
        [--split train|val] [--stage neck|backbone] [--data-root FOLDER]

OUT.npz holds `features` (M, D) float32, `sample_idx` (M,) int64, `labels`
(M,) int64, -1 where there are none, and `paths` (M,), empty for images that
are in no file of their own.
"""

from __future__ import annotations

import argparse
import copy
import os
from pathlib import Path

import numpy as np
import torch
from common import (
    ConfigError,
    add_launcher_arguments,
    check_checkpoint,
    check_config,
    load_config,
    make_parser,
    prepare_launch,
    run_tool,
)
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.dist import init_dist, is_distributed, is_main_process
from mmengine.model import BaseModel
from mmengine.registry import DefaultScope
from mmengine.runner import Runner

from mmisl.datasets import InstanceDataset
from mmisl.engine import extract_features
from mmisl.engine.hooks.atomic_checkpoint_hook import check_keys
from mmisl.registry import MODELS

# What computes features: a checkpoint also holds bank, graph and miner.
ENCODER = ('backbone.', 'neck.')
MODES = dict(neck='tensor', backbone='backbone')


def parse_args() -> argparse.Namespace:
    """Command line of this tool."""
    parser = make_parser(__doc__)
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('out', type=Path, help='file to write, .npz')
    parser.add_argument(
        '--split',
        choices=('train', 'val'),
        default='train',
        help='images of gallery_dataloader or of val_dataloader\n'
        '(default: train)',
    )
    parser.add_argument(
        '--stage',
        choices=tuple(MODES),
        default='neck',
        help='unit-length features of the neck, or what the backbone gives\n'
        'it, pooled (default: neck)',
    )
    parser.add_argument(
        '--data-root',
        type=Path,
        help='folder of images to take instead, however deep they lie',
    )
    add_launcher_arguments(parser)
    return parser.parse_args()


def extract(args: argparse.Namespace) -> None:
    """Extract as the command line says.

    Raises:
        ValueError: If OUT is no ``.npz``.
    """
    if args.out.suffix != '.npz':
        raise ValueError(f'OUT ({args.out}) must end with .npz')
    cfg = load_config(args)
    check_checkpoint(args.checkpoint)
    check_config(cfg, required=('model',))
    prepare_launch(cfg, args)
    if args.launcher != 'none' and not is_distributed():
        init_dist(args.launcher, **cfg.env_cfg.dist_cfg)
    DefaultScope.get_instance('extract_features', scope_name='mmisl')
    loader = Runner.build_dataloader(
        loader_config(cfg, args.split, data_root=args.data_root)
    )
    features = extract_features(
        load_encoder(cfg, args.checkpoint),
        loader,
        loader.dataset.num_instances,
        mode=MODES[args.stage],
    )
    if is_main_process():
        write_npz(args.out, features, dataset=loader.dataset)
        print(
            f'{len(features)} features of size {features.shape[1]}: {args.out}'
        )


def loader_config(
    cfg: Config, split: str, *, data_root: Path | None = None
) -> dict:
    """A loader that gives every image once, under the test transforms.

    Raises:
        ConfigError: If the config has no loader for the split.
        FileNotFoundError: If there is no such folder.
    """
    key = f'{"gallery" if split == "train" else "val"}_dataloader'
    if cfg.get(key) is None:
        raise ConfigError(
            f'{key}: missing, but --split {split} takes its images and test '
            'transforms; give a config that has it'
        )
    loader = copy.deepcopy(cfg[key])
    if data_root is not None:
        loader.dataset = folder_config(loader.dataset, data_root)
    if loader.dataset.type.rpartition('.')[2] != 'InstanceDataset':
        loader.dataset = dict(type='InstanceDataset', dataset=loader.dataset)
    loader.sampler = dict(type='InstanceSampler', shuffle=False, unique=True)
    return loader


def folder_config(dataset: dict, data_root: Path) -> dict:
    """All images below a folder, under the transforms of ``dataset``.

    Raises:
        ConfigError: If the transforms do not read files.
        FileNotFoundError: If there is no such folder.
    """
    if not data_root.is_dir():
        raise FileNotFoundError(f'--data-root {data_root} is no folder')
    while 'pipeline' not in dataset:
        dataset = dataset.get('dataset') or dataset['datasets'][0]
    pipeline = dataset['pipeline']
    if not any('LoadImage' in step['type'] for step in pipeline):
        raise ConfigError(
            f'the test transforms of this config read no files (they begin '
            f'with {pipeline[0]["type"]}), so --data-root does not go with '
            'it; use one for folders, such as configs/isl_r18_folder.py'
        )
    return dict(
        type='mmpretrain.CustomDataset',
        data_root=str(data_root),
        with_label=False,
        pipeline=pipeline,
    )


def load_encoder(cfg: Config, checkpoint: str) -> BaseModel:
    """The model with the backbone and neck of a checkpoint."""
    if cfg.get('data_preprocessor'):
        cfg.model.setdefault('data_preprocessor', cfg.data_preprocessor)
    model = MODELS.build(cfg.model)
    # Mapped: of the file only the encoder is read, not the bank.
    loaded = torch.load(
        checkpoint, map_location='cpu', mmap=True, weights_only=True
    )
    state = loaded.get('state_dict', loaded)
    state = {k: v for k, v in state.items() if k.startswith(ENCODER)}
    expected = {k for k in model.state_dict() if k.startswith(ENCODER)}
    check_keys(expected, set(state))
    model.load_state_dict(state, strict=False)
    return model.to(get_device())


def write_npz(
    path: Path, features: torch.Tensor, *, dataset: InstanceDataset
) -> None:
    """Write features and what is known of their images, or nothing."""
    num_samples = dataset.num_instances
    labels = dataset.labels()
    if labels is None:
        labels = torch.full((num_samples,), -1)
    infos = map(dataset.get_info, range(num_samples))
    paths = [str(info.get('img_path', '')) for info in infos]
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f'{path.name}.partial')
    with open(partial, 'wb') as file:
        np.savez(
            file,
            features=features.cpu().numpy(),
            sample_idx=np.arange(num_samples),
            labels=labels.numpy(),
            paths=np.array(paths),
        )
    os.replace(partial, path)


if __name__ == '__main__':
    run_tool(extract, parse_args())
