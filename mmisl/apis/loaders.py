"""Loaders that give every image once, under a config's test transforms."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from mmisl.config_check import ConfigError
from mmisl.datasets import InstanceDataset, list_images, transfer_loaders
from mmisl.engine.run_facts import usable_cores
from mmisl.weights import turning_flag

# Which loader of a config holds a split under the test transforms.
SPLITS = dict(train='gallery_dataloader', val='val_dataloader')

# A folder, or image files one by one.
Images = str | Path | Sequence[str | Path]


def loader_config(
    cfg: Config, split: str, images: Images | None = None
) -> dict:
    """Config of a loader over a split, or over other images in its place.

    Args:
        cfg (Config): Of a pretraining run.
        split (str): ``'train'`` or ``'val'``.
        images (Images, optional): A folder of images, however deep they lie,
            or a list of files, to take instead of the split's.

    Returns:
        dict: Over an ``InstanceDataset`` with an ``InstanceSampler``, without
        shuffling.

    Raises:
        ConfigError: If the config has no loader for the split, or its test
            transforms read no files where ``images`` are given.
        FileNotFoundError: If there is no such folder.
        ValueError: If there is no image.
    """
    key = SPLITS[split]
    if cfg.get(key) is None:
        raise ConfigError(
            f'{key}: missing, but its images and test transforms are those '
            f'of the split {split!r}; give a config that has it'
        )
    loader = copy.deepcopy(cfg[key])
    if images is not None:
        loader.dataset = _files_config(loader.dataset, images)
    if loader.dataset.type.rpartition('.')[2] != 'InstanceDataset':
        loader.dataset = dict(type='InstanceDataset', dataset=loader.dataset)
    loader.sampler = dict(type='InstanceSampler', shuffle=False, unique=True)
    return loader


def set_loader_configs(
    cfg: Config,
    name: str,
    data_root: str | Path | None = None,
    *,
    split: int = 0,
) -> dict[str, dict]:
    """Configs of loaders over a transfer set, for the network of a config.

    Args:
        cfg (Config): Of a pretraining run; its network must take RGB as it
            comes from the loader, which those of a transfer set give.
        name (str): Key of ``TRANSFER_SETS``.
        data_root (str | Path, optional): Folder of the set. Defaults to where
            ``tools/prepare_data.py`` puts it.
        split (int): Which of the set's ways to part it. Defaults to 0.

    Returns:
        dict[str, dict]: For ``'train'``, ``'val'`` and ``'test'``; see
        :func:`mmisl.datasets.transfer_loaders`.

    Raises:
        ConfigError: If the data preprocessor turns the colours round.
        ValueError: If there is no such set or split.
    """
    preprocessor = cfg.model.get('data_preprocessor') or cfg.get(
        'data_preprocessor', {}
    )
    if flag := turning_flag(preprocessor):
        raise ConfigError(
            f'data_preprocessor.{flag} turns the colours round, but '
            'images of transfer sets are RGB from the loader on; set it to '
            'False, and mean and std to the order RGB, if that is what the '
            'network was trained on'
        )
    # torch warns of more workers than processors.
    num_workers = min(4, usable_cores())
    return transfer_loaders(
        name, data_root, split=split, num_workers=num_workers
    )


def build_loader(config: dict) -> tuple[DataLoader, InstanceDataset]:
    """Build a loader from :func:`loader_config`, names being mmisl's.

    Returns:
        tuple[DataLoader, InstanceDataset]: It and the images it gives.
    """
    # For as long as it takes: the caller's program may have its own.
    with DefaultScope.overwrite_default_scope('mmisl'):
        loader = Runner.build_dataloader(config)
    return loader, loader.dataset


def _files_config(dataset: dict, images: Images) -> dict:
    """Image files under the transforms of ``dataset``."""
    while 'pipeline' not in dataset:
        dataset = dataset.get('dataset') or dataset['datasets'][0]
    pipeline = dataset['pipeline']
    if not any('LoadImage' in step['type'] for step in pipeline):
        raise ConfigError(
            f'the test transforms of this config read no files (they begin '
            f'with {pipeline[0]["type"]}), so folders of images do not go '
            'with it; use a config for them, such as configs/isl_r18_folder.py'
        )
    if isinstance(images, (str, Path)):
        files = list_images(images)
    else:
        files = [str(file) for file in images]
    return dict(type='ImageFiles', files=files, pipeline=pipeline)
