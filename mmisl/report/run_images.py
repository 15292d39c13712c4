"""The images that a run has learnt from."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np
from mmengine.config import Config

from mmisl.datasets import InstanceDataset, build_train_dataset

from .data_folders import make_absolute, override_of


@dataclass(frozen=True)
class RunImages:
    """A training set, as reports and pictures tell of it.

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

    def first_difference(self, other: RunImages) -> int | None:
        """Number of the first image that is another one in another set.

        Args:
            other (RunImages): May have more images, or fewer.

        Returns:
            int | None: From 0; None where both are the same.
        """
        pairs = zip_longest(_identities(self), _identities(other))
        for index, (mine, theirs) in enumerate(pairs):
            if mine != theirs:
                return index
        return None

    def where(self, sample: int) -> str:
        """Whole path of an image, if it is in a file of its own."""
        if sample >= len(self):
            return 'no image'
        path = self.dataset.get_info(sample).get('img_path')
        return os.path.abspath(path) if path else 'an image in no file'


def read_images(cfg: Config, places: Sequence[Path]) -> RunImages:
    """Find the training images of a config; none is decoded.

    Args:
        cfg (Config): Of the run; the paths of its training set are made
            absolute in place.
        places (Sequence[Path]): Where relative paths may start.

    Raises:
        FileNotFoundError: If a folder or list of the data set is missing;
            the message says how to name another.
        KeyError, TypeError, ValueError: If the config has no training set
            that gives every image its index.
    """
    if 'dataset' in cfg.get('train_dataloader', {}):
        dataset_cfg = cfg.train_dataloader.dataset
        make_absolute(dataset_cfg, places, 'train_dataloader')
        _leave_on_host(dataset_cfg)
    try:
        dataset = build_train_dataset(cfg)
    except FileNotFoundError as error:  # such as a folder below `data_root`
        raise FileNotFoundError(
            f'{error}; put it back, or name the new place: '
            f'{override_of(dataset_cfg, "train_dataloader")}'
        ) from error
    infos = [dataset.get_info(i) for i in range(dataset.num_instances)]
    paths = [os.path.abspath(i['img_path']) for i in infos if 'img_path' in i]
    digest = hashlib.blake2b(digest_size=16)
    for info in infos:
        digest.update(_identity(info))
        digest.update(b'\0')
    labels = dataset.labels()
    return RunImages(
        dataset=dataset,
        labels=None if labels is None else labels.numpy().astype(np.int32),
        class_names=[str(c) for c in dataset.metainfo.get('classes') or ()],
        names=_short_names(paths) if len(paths) == len(infos) else None,
        key=digest.hexdigest(),
    )


def _identities(images: RunImages) -> Iterator[bytes]:
    return map(_identity, map(images.dataset.get_info, range(len(images))))


def _identity(info: dict) -> bytes:
    """The file of an image, or its pixels where it has none."""
    path = info.get('img_path')
    return (
        os.fsencode(os.path.abspath(path)) if path else info['img'].tobytes()
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
