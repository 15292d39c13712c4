"""What is left to do when all files of a set are unpacked."""

from __future__ import annotations

import os
from pathlib import Path

from files import replace_text

TRUTH = 'devkit/ILSVRC2012_validation_ground_truth.txt'
SYNSETS = 'devkit/meta.mat'


def sort_validation(root: Path) -> list[str]:
    """ImageNet: move ``val/*.JPEG`` into the folder of their class.

    The devkit knows the class of each. An interrupted sort goes on.

    Raises:
        ValueError: If there are such images, but no devkit.
    """
    images = sorted((root / 'val').glob('*.JPEG'))
    if not images:
        return []
    if not ((root / TRUTH).is_file() and (root / SYNSETS).is_file()):
        raise ValueError(
            f'{len(images):,} validation images come without their classes; '
            'put ILSVRC2012_devkit_t12.tar.gz beside them'
        )
    wnids = read_wnids(root / SYNSETS)
    truth = [wnids[int(n)] for n in (root / TRUTH).read_text().split()]
    for image in images:
        number = int(image.stem.rpartition('_')[2])
        if not 1 <= number <= len(truth):
            raise ValueError(
                f'{image.name} has no line in {root / TRUTH}, which has '
                f'{len(truth):,}'
            )
        folder = root / 'val' / truth[number - 1]
        folder.mkdir(exist_ok=True)
        os.replace(image, folder / image.name)
    return []


def read_wnids(path: Path) -> dict[int, str]:
    """WordNet id of every number that the devkit gives a class."""
    from scipy.io import loadmat

    synsets = loadmat(path, squeeze_me=True)['synsets']
    numbers = synsets['ILSVRC2012_ID'].tolist()
    return dict(zip(numbers, synsets['WNID'].tolist(), strict=True))


def halve_trainval(root: Path) -> list[str]:
    """VOC: make the lists ``train`` and ``val`` where they are missing.

    The official archive has them; without them nothing can be validated.
    """
    lists = root / 'ImageSets' / 'Main'
    if not (lists / 'trainval.txt').is_file():
        return []
    lines = (lists / 'trainval.txt').read_text().splitlines(keepends=True)
    halves = {
        lists / name: ''.join(lines[first::2])
        for first, name in enumerate(('train.txt', 'val.txt'))
    }
    there = [path for path in halves if path.exists()]
    if any(path.read_text() != halves[path] for path in there):
        return []
    for path in set(halves) - set(there):
        replace_text(path, halves[path])
    return ['train.txt and val.txt are every other line of trainval.txt']
