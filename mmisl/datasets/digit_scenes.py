"""A detection data set in miniature: digits in scenes, laid out as VOC2007."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from .digit_drawing import draw_colours, draw_texture, load_digits
from .made_tree import MadeTree
from .scene_objects import Placement, SceneObject, annotate, place_digits
from .voc_layout import write_annotation, write_lists

SCENE_SIZE = 128
SCENE_CLASSES = (
    'zero', 'one', 'two', 'three', 'four',
    'five', 'six', 'seven', 'eight', 'nine',
)  # fmt: skip
_MIN_DIGITS, _MAX_DIGITS = 2, 5


def make_digit_scenes(
    root: str | Path,
    seed: int = 0,
    *,
    num_trainval: int = 400,
    num_test: int = 150,
) -> dict:
    """Write scenes of handwritten digits in the layout of VOC2007, once.

    Each scene is a texture of 128x128 pixels with two to five digits of 10 to
    64 pixels on it, in inks of any hue. Digits overlap, leave the image, or
    vanish in part behind the texture. What is not seen whole is ``truncated``
    and what is tiny or mostly hidden ``difficult``. Scenes of ``trainval``
    show the digits that :func:`make_digits_textures` trains on, those of
    ``test`` the others.

    ``root`` becomes ``VOCdevkit/VOC2007/`` with ``JPEGImages/NNNNNN.jpg``,
    ``Annotations/NNNNNN.xml`` (boxes from 1, ends included) and
    ``ImageSets/Main/{train,val,trainval,test}.txt``. It appears at once and
    complete; an interrupted call leaves nothing. The same versions of the
    libraries write the same bytes.

    Args:
        root (str | Path): Folder to make; a complete one is kept.
        seed (int): Seed of everything random. Defaults to 0.
        num_trainval (int): Scenes to train on. Defaults to 400.
        num_test (int): Scenes to test on. Defaults to 150.

    Returns:
        dict: The manifest: ``seed``, ``trainval`` and ``test`` scenes, and
        ``sha256`` over the names and bytes of all files.

    Raises:
        ValueError: If ``root`` holds something else, or if there are to be
            fewer than two scenes to train on or none to test on.
    """
    if num_trainval < 2 or num_test < 1:
        raise ValueError(
            f'num_trainval ({num_trainval}) and num_test ({num_test}) must be '
            'at least 2, one each for train and val, and 1'
        )
    counts = dict(trainval=num_trainval, test=num_test)
    tree = MadeTree(
        kind=f'digit_scenes ({num_trainval} trainval, {num_test} test)',
        patterns=(
            'VOCdevkit/VOC2007/JPEGImages/*.jpg',
            'VOCdevkit/VOC2007/Annotations/*.xml',
            'VOCdevkit/VOC2007/ImageSets/Main/*.txt',
        ),
        counts=counts,
        write=partial(_write_scenes, counts=counts),
        count=_count_scenes,
    )
    return tree.make(root, seed)


def compose_scene(
    strokes: np.ndarray,
    labels: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, list[SceneObject]]:
    """Lay some digits out of a stock over a random texture.

    Args:
        strokes (np.ndarray): (N, 8, 8) in [0, 16], ink of the stock.
        labels (np.ndarray): (N,) int64, which digits they are.
        rng (np.random.Generator): Source of everything random.

    Returns:
        tuple[np.ndarray, list[SceneObject]]: (128, 128, 3) uint8 RGB, and
        the objects that can be seen on it; ``index`` is that of the stock.
    """
    num_digits = int(rng.integers(_MIN_DIGITS, _MAX_DIGITS + 1))
    chosen = rng.choice(len(labels), num_digits, replace=False)
    placements = place_digits(strokes, chosen, rng, SCENE_SIZE)
    image = _paint(placements, rng)
    return image, annotate(placements, labels)


def _paint(
    placements: list[Placement], rng: np.random.Generator
) -> np.ndarray:
    """(128, 128, 3) uint8, later digits over earlier ones."""
    texture = draw_texture(rng, SCENE_SIZE)[..., None]
    low, high, *inks = draw_colours(rng, len(placements))
    img = low + (high - low) * texture
    for placement, ink in zip(placements, inks, strict=True):
        mask = placement.mask[..., None]
        img = img * (1 - mask) + ink * mask
    return np.round(img * 255).astype(np.uint8)


def _write_scenes(tree: Path, seed: int, counts: dict[str, int]) -> None:
    strokes, labels, indices = load_digits()
    indices['trainval'] = indices.pop('train')
    folder = tree / 'VOCdevkit' / 'VOC2007'
    for name in ('JPEGImages', 'Annotations'):
        (folder / name).mkdir(parents=True)
    names: dict[str, list[str]] = {split: [] for split in counts}
    for split, number in counts.items():
        stock = indices[split]
        for _ in range(number):
            # As in VOC2007, numbers run through all splits.
            scene = 1 + sum(map(len, names.values()))
            name = f'{scene:06d}'
            # A generator of its own for each scene: order does not matter.
            rng = np.random.default_rng((seed, scene))
            img, objects = compose_scene(strokes[stock], labels[stock], rng)
            Image.fromarray(img).save(
                folder / 'JPEGImages' / f'{name}.jpg', quality=95
            )
            write_annotation(
                folder / 'Annotations' / f'{name}.xml',
                objects,
                classes=SCENE_CLASSES,
                size=(SCENE_SIZE, SCENE_SIZE),
            )
            names[split].append(name)
    write_lists(folder / 'ImageSets' / 'Main', names)


def _count_scenes(root: Path) -> dict[str, int]:
    folder = root / 'VOCdevkit' / 'VOC2007' / 'ImageSets' / 'Main'
    paths = [folder / f'{split}.txt' for split in ('trainval', 'test')]
    return {
        path.stem: len(path.read_text().split())
        for path in paths
        if path.is_file()
    }
