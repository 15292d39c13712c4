"""Caltech-101 in random parts, without the background."""

from __future__ import annotations

import os
import os.path as osp
from typing import Any

import numpy as np
from mmpretrain.datasets import Caltech101 as _Caltech101
from mmpretrain.datasets.categories import CALTECH101_CATEGORIES

from mmisl.datasets.transfer_sets import PARTS, TRANSFER_SETS
from mmisl.registry import DATASETS

BACKGROUND = 'BACKGROUND_Google'
NUM_TRAIN, NUM_VAL = 25, 5  # images of every class


@DATASETS.register_module()
class Caltech101(_Caltech101):
    """Caltech-101, parted at random as its authors advise.

    Differs from mmpretrain's class, which counts the background as a class
    (102) and reads one fixed parting out of lists that the official archive
    does not have. Here there are 101 classes, and in every class 30 images
    are drawn without replacement, 25 to train with and 5 to validate with;
    all others are for the test. The draw of a class depends on ``split`` and
    on the number of its class alone: numpy's default generator, seeded by
    both, permutes the sorted file names.

    Args:
        data_root (str): Folder that holds ``101_ObjectCategories``.
        part (str): ``'train'``, ``'val'`` or ``'test'``.
        split (int): Which parting, in [0, 5). Defaults to 0.
        **kwargs: Arguments of mmpretrain's ``BaseDataset``.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If ``part`` or ``split`` is unknown, a folder is no class
            of Caltech-101, or a class has fewer than 31 images.
    """

    METAINFO = dict(
        classes=tuple(c for c in CALTECH101_CATEGORIES if c != BACKGROUND)
    )

    def __init__(
        self, data_root: str, part: str, split: int = 0, **kwargs: Any
    ) -> None:
        if part not in PARTS:
            raise ValueError(f"part ('{part}') must be one of {PARTS}")
        num_splits = TRANSFER_SETS['caltech101'].num_splits
        if split not in range(num_splits):
            raise ValueError(f'split ({split}) must be in [0, {num_splits})')
        self.part = part
        self.number = split
        kind = 'test' if part == 'test' else 'train'
        super().__init__(data_root, split=kind, **kwargs)

    def load_data_list(self) -> list[dict]:
        """Paths and labels of the part, by class, then by file name."""
        with os.scandir(self.img_prefix) as entries:
            folders = {entry.name for entry in entries if entry.is_dir()}
        data_list = []
        for folder in sorted(folders - {BACKGROUND}):
            label = self._label_of(folder)
            path = osp.join(self.img_prefix, folder)
            data_list += [
                dict(img_path=osp.join(path, name), gt_label=label)
                for name in self._draw(path, label)
            ]
        return data_list

    def _label_of(self, folder: str) -> int:
        if folder not in self.METAINFO['classes']:
            raise ValueError(
                f'{osp.join(self.img_prefix, folder)} is no class of '
                'Caltech-101; take it out of the folder'
            )
        return self.METAINFO['classes'].index(folder)

    def _draw(self, path: str, label: int) -> list[str]:
        """Sorted file names of this part in the folder of a class."""
        names = sorted(n for n in os.listdir(path) if n.endswith('.jpg'))
        if len(names) <= NUM_TRAIN + NUM_VAL:
            raise ValueError(
                f'{path} holds {len(names)} images, but '
                f'{NUM_TRAIN} + {NUM_VAL} are drawn and some must be left'
            )
        generator = np.random.default_rng((self.number, label))
        order = generator.permutation(len(names))
        bounds = (NUM_TRAIN, NUM_TRAIN + NUM_VAL)
        drawn = dict(zip(PARTS, np.split(order, bounds), strict=True))
        return [names[index] for index in sorted(drawn[self.part])]
