"""Images of a split as the config of a detector reads them for a test."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from mmisl.config_check import ConfigError
from mmisl.detection import proposal_key

from .voc_split import check_exist


def build_loader(cfg: Config, split: str) -> DataLoader:
    """Loader of the images of a split, all of them and in order.

    Raises:
        ConfigError: If ``test_dataloader`` reads no list of images.
        FileNotFoundError: If there is no such list, or an image is missing.
    """
    loader_cfg = copy.deepcopy(cfg.get('test_dataloader') or ConfigDict())
    dataset = loader_cfg.get('dataset') or ConfigDict()
    if not dataset.get('ann_file'):
        raise ConfigError(
            'test_dataloader.dataset must have an ann_file, a list of images '
            f'for SPLIT to stand beside; got {dataset.get("type")}'
        )
    dataset.ann_file = str(Path(dataset.ann_file).with_name(f'{split}.txt'))
    # Without the proposals of another split, and without leaving images out.
    dataset.update(test_mode=True, filter_cfg=None, indices=None)
    dataset.pop('proposal_file', None)
    loader_cfg.update(
        drop_last=False, sampler=dict(type='DefaultSampler', shuffle=False)
    )
    loader = Runner.build_dataloader(loader_cfg)
    check_exist([Path(path) for path in _image_paths(loader)])
    return loader


def image_keys(loader: DataLoader) -> list[str]:
    """Key of each image in files of proposals."""
    return [proposal_key(path) for path in _image_paths(loader)]


def _image_paths(loader: DataLoader) -> list[str]:
    dataset: Any = loader.dataset
    return [
        dataset.get_data_info(index)['img_path']
        for index in range(len(dataset))
    ]
