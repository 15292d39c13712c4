"""The images that runs were mined from."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from browse_dataset import load_original
from PIL import Image

from mmisl.apis import build_loader, loader_config
from mmisl.datasets import InstanceDataset
from mmisl.progress import track

from .runs import MiningRun

# Wide enough for a picture; what is larger would only fill the PDF.
_DRAWN_SIDE = 256
_SMALL_SIDE = 32


@dataclass(frozen=True)
class RunImages:
    """Training images by sample_idx, and what is known of them."""

    dataset: InstanceDataset

    @property
    def num_images(self) -> int:
        """Number N of distinct images."""
        return self.dataset.num_instances

    @cached_property
    def labels(self) -> np.ndarray | None:
        """(N,) int64, None unless every image has a class."""
        labels = self.dataset.labels()
        return None if labels is None else labels.numpy()

    @cached_property
    def class_names(self) -> Sequence[str] | None:
        """(C,) names, None unless every class has one."""
        names = self.dataset.metainfo.get('classes')
        if names is None or self.labels is None:
            return None
        return names if self.labels.max() < len(names) else None

    @cached_property
    def names(self) -> list[str]:
        """(N,) paths below the folder that all files have in common.

        So the same files elsewhere have the same names. Images that are in no
        file of their own are named by what they show.
        """
        infos = map(self.dataset.get_info, range(self.num_images))
        paths = [_name(info) for info in infos]
        folder = os.path.commonpath([os.path.dirname(path) for path in paths])
        return [os.path.relpath(path, folder or '.') for path in paths]

    def load(self, samples: Iterable[int]) -> dict[int, Image.Image]:
        """Some images, RGB, no side of them longer than 256 pixels."""
        loaded = {}
        for sample in samples:
            image = self.original(sample)
            image.thumbnail((_DRAWN_SIDE, _DRAWN_SIDE))
            loaded[sample] = image
        return loaded

    def original(self, sample: int) -> Image.Image:
        """One image as it is, RGB.

        Raises:
            OSError: If its file cannot be read.
        """
        info = self.dataset.get_info(sample)
        try:
            return load_original(info)
        except OSError as error:
            raise OSError(
                f'cannot read image {info.get("img_path", sample)}: {error}'
            ) from error


def open_images(runs: Sequence[MiningRun]) -> RunImages:
    """The images of the runs, which must be the same in all of them.

    Raises:
        FileNotFoundError: If they are no longer there.
        ValueError: If a run has others, or has mined from others.
    """
    opened: dict[str, RunImages] = {}
    for run in runs:
        config = loader_config(run.config, 'train')
        # Runs that name the same images in the same words need no second
        # look at them.
        key = repr(_images_of(config['dataset']))
        if key not in opened:
            opened[key] = _open(run.name, config)
        images = opened[key]
        mined = run.moments[-1].load().edges.num_samples
        if mined != images.num_images:
            raise ValueError(
                f'{run.name} has mined {mined} images, but the data set of '
                f'its config has {images.num_images}; put back the images it '
                'was trained on, or say where they are with --cfg-options'
            )
    first, *others = opened.values()
    for other in others:
        _check_same(first.names, other.names)
    return first


class SmallImages:
    """All images at 32 x 32 pixels, read when asked for and kept.

    Sides are brought to 32 pixels each by area averages, whatever their
    ratio. An image takes 3 kB.

    Args:
        images (RunImages): N images.
    """

    def __init__(self, images: RunImages) -> None:
        self._images = images
        shape = (images.num_images, _SMALL_SIDE, _SMALL_SIDE, 3)
        # Zeros take no memory before they are written.
        self._pixels = np.zeros(shape, dtype=np.uint8)
        self._is_read = np.zeros(images.num_images, dtype=bool)

    def __len__(self) -> int:
        """N."""
        return len(self._pixels)

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        """(M, 32, 32, 3) uint8 at indices (M,)."""
        self.read(rows)
        return self._pixels[rows]

    def read(self, rows: np.ndarray) -> None:
        """Read what is not there yet, with a bar on a terminal."""
        missing = np.unique(rows[~self._is_read[rows]])
        for sample in track(missing.tolist(), 'reading images'):
            image = self._images.original(sample)
            self._pixels[sample] = image.resize(
                (_SMALL_SIDE, _SMALL_SIDE), Image.Resampling.BOX
            )
        self._is_read[missing] = True


def _open(run: str, config: dict) -> RunImages:
    try:
        return RunImages(build_loader(config)[1])
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f'images of {run}: {error}; start this tool in the folder where '
            'the run was started, or say where they are with --cfg-options '
            'gallery_dataloader.dataset.dataset.data_root=FOLDER'
        ) from error


def _name(info: dict) -> str:
    if 'img_path' in info:
        return os.path.abspath(info['img_path'])
    shown = hashlib.sha256(np.ascontiguousarray(info['img'])).hexdigest()
    return str(Path('/', shown))


def _images_of(dataset: dict) -> object:
    """Config of a data set without what is done to its images."""
    if isinstance(dataset, dict):
        return {
            key: _images_of(value)
            for key, value in sorted(dataset.items())
            if key != 'pipeline'
        }
    if isinstance(dataset, list | tuple):
        return [_images_of(value) for value in dataset]
    return dataset


def _check_same(first: Sequence[str], other: Sequence[str]) -> None:
    if len(first) != len(other):
        raise ValueError(
            f'the runs are over different images, {len(first)} and '
            f'{len(other)}; compare runs on the same training set'
        )
    for index, (mine, theirs) in enumerate(zip(first, other)):
        if mine != theirs:
            raise ValueError(
                f'the runs are over different images: number {index} is '
                f'{mine} in one and {theirs} in the other; compare runs on '
                'the same training set'
            )
