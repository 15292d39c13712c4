"""The images that runs were mined from, as pictures show them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from mmengine.config import Config
from PIL import Image

from mmisl.datasets import load_original
from mmisl.progress import track
from mmisl.report.data_folders import override_of, search_places
from mmisl.report.run_images import RunImages, read_images

from .runs import MiningRun

# Wide enough for a picture; what is larger would only fill the PDF.
_DRAWN_SIDE = 256
_SMALL_SIDE = 32


def open_images(runs: Sequence[MiningRun]) -> RunImages:
    """The images of the runs, which must be the same in all of them.

    Args:
        runs (Sequence[MiningRun]): At least one; the paths of their training
            sets are made absolute in place.

    Raises:
        FileNotFoundError: If they are no longer there.
        ValueError: If a run has others, or has mined from others.
    """
    opened: dict[tuple[str, tuple[Path, ...]], RunImages] = {}
    for run in runs:
        places = search_places(run.work_dir)
        # Runs that name the same images in the same words need no second
        # look at them.
        words = (repr(_images_of(run.config)), tuple(places))
        if words not in opened:
            opened[words] = _open(run, places)
        images = opened[words]
        if run is runs[0]:
            first = images
        elif images.key != first.key:
            raise ValueError(_difference(runs[0], first, run, images))
    for run in runs:
        _check_mined(run, first)
    return first


def known_class_names(images: RunImages) -> list[str] | None:
    """(C,) names, None unless every class has one."""
    if images.labels is None or not images.class_names:
        return None
    num_classes = images.labels.max() + 1
    return (
        images.class_names if num_classes <= len(images.class_names) else None
    )


def read_original(images: RunImages, sample: int) -> Image.Image:
    """One image as it is, RGB.

    Raises:
        OSError: If its file cannot be read.
    """
    info = images.dataset.get_info(sample)
    try:
        return load_original(info).convert('RGB')
    except OSError as error:
        raise OSError(
            f'cannot read image {info.get("img_path", sample)}: {error}'
        ) from error


def read_drawn(
    images: RunImages, samples: Iterable[int]
) -> dict[int, Image.Image]:
    """Some images, RGB, no side of them longer than 256 pixels."""
    drawn = {}
    for sample in samples:
        image = read_original(images, sample)
        image.thumbnail((_DRAWN_SIDE, _DRAWN_SIDE))
        drawn[sample] = image
    return drawn


class SmallImages:
    """All images at 32 x 32 pixels, read when asked for and kept.

    Sides are brought to 32 pixels each by area averages, whatever their
    ratio. An image takes 3 kB.

    Args:
        images (RunImages): N images.
    """

    def __init__(self, images: RunImages) -> None:
        self._images = images
        shape = (len(images), _SMALL_SIDE, _SMALL_SIDE, 3)
        # Zeros take no memory before they are written.
        self._pixels = np.zeros(shape, dtype=np.uint8)
        self._is_read = np.zeros(len(images), dtype=bool)

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
            image = read_original(self._images, sample)
            self._pixels[sample] = image.resize(
                (_SMALL_SIDE, _SMALL_SIDE), Image.Resampling.BOX
            )
        self._is_read[missing] = True


def _open(run: MiningRun, places: Sequence[Path]) -> RunImages:
    try:
        return read_images(run.config, places)
    except FileNotFoundError as error:
        raise FileNotFoundError(f'{run.name}: {error}') from error


def _images_of(value: object) -> object:
    """What names the training images of a config, whatever is done to them."""
    if isinstance(value, Config):
        return _images_of((value.get('train_dataloader') or {}).get('dataset'))
    if isinstance(value, dict):
        return {
            key: _images_of(item)
            for key, item in sorted(value.items())
            if key != 'pipeline'
        }
    if isinstance(value, list | tuple):
        return [_images_of(item) for item in value]
    return value


def _difference(
    run: MiningRun, images: RunImages, other: MiningRun, theirs: RunImages
) -> str:
    """Says that two runs are over different images, and in what."""
    number = images.first_difference(theirs)
    assert number is not None  # their keys differ
    cure = 'compare runs on the same images'
    if len(images) == len(theirs):
        cure += (
            ', or, if one is a copy of the other, name one for all runs: '
            f'{_option(run)}'
        )
    return (
        f'{run.name} and {other.name} are over different images, '
        f'{len(images):,} and {len(theirs):,} of them; the first that '
        f'differs is number {number}: {images.where(number)} in {run.name}, '
        f'{theirs.where(number)} in {other.name}; {cure}'
    )


def _check_mined(run: MiningRun, images: RunImages) -> None:
    mined = run.moments[-1].load().edges.num_samples
    if mined != len(images):
        raise ValueError(
            f'{run.name} has mined {mined:,} images, but its training set '
            f'has {len(images):,} now, the first of them {images.where(0)}; '
            'compare runs on the same images and put back those that it was '
            f'trained on, or name their place: {_option(run)}'
        )


def _option(run: MiningRun) -> str:
    return override_of(run.config.train_dataloader.dataset, 'train_dataloader')
