"""The images that a run has learnt from."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mmengine.config import Config

from mmisl.datasets import InstanceDataset, build_train_dataset

from .data_folders import make_absolute


@dataclass(frozen=True)
class RunImages:
    """A training set, as a report tells of it.

    Attributes:
        dataset: The images by ``sample_idx``, with the training's pipeline.
        labels: (N,) int32, -1 where unknown; None without labels.
        class_names: By label; may be empty.
        names: (N,) file names below the folder that all are in; None where
            images are in no file of their own.
        key: The same for runs over the same images in the same order.
    """

    dataset: InstanceDataset
    labels: np.ndarray | None
    class_names: list[str]
    names: list[str] | None
    key: str

    def __len__(self) -> int:
        return self.dataset.num_instances


def read_images(cfg: Config, places: Sequence[Path]) -> RunImages:
    """Find the training images of a config; none is decoded.

    Args:
        cfg (Config): Of the run; the paths of its training set are made
            absolute in place.
        places (Sequence[Path]): Where relative paths may start.

    Raises:
        FileNotFoundError: If a folder or list of the data set is missing.
        KeyError, TypeError, ValueError: If the config has no training set
            that gives every image its index.
    """
    if 'dataset' in cfg.get('train_dataloader', {}):
        dataset_cfg = cfg.train_dataloader.dataset
        make_absolute(dataset_cfg, places, 'train_dataloader')
        _leave_on_host(dataset_cfg)
    dataset = build_train_dataset(cfg)
    infos = [dataset.get_info(i) for i in range(dataset.num_instances)]
    paths = [os.path.abspath(i['img_path']) for i in infos if 'img_path' in i]
    digest = hashlib.blake2b(digest_size=16)
    for info in infos:
        path = info.get('img_path')
        seen = os.path.abspath(path) if path else info['img'].tobytes()
        digest.update(os.fsencode(seen) if path else seen)
        digest.update(b'\0')
    labels = dataset.labels()
    return RunImages(
        dataset=dataset,
        labels=None if labels is None else labels.numpy().astype(np.int32),
        class_names=[str(c) for c in dataset.metainfo.get('classes') or ()],
        names=_short_names(paths) if len(paths) == len(infos) else None,
        key=digest.hexdigest(),
    )


def _leave_on_host(dataset: dict) -> None:
    """A set that would decode all images onto the device need not."""
    scope, dot, name = dataset.get('type', '').rpartition('.')
    if name == 'ResidentDataset':
        dataset['type'] = f'{scope}{dot}InstanceDataset'
        dataset.pop('device', None)


def _short_names(paths: Sequence[str]) -> list[str]:
    """Paths below the folder that they share; a line each."""
    folder = os.path.commonpath([os.path.dirname(path) for path in paths])
    return [
        ' '.join(os.path.relpath(path, folder).splitlines()) for path in paths
    ]
