"""The demo's images: real handwritten digits over coloured textures."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

IMAGE_SIZE = 32
_COUNTS = dict(train=1437, test=360)
_MANIFEST = 'manifest.json'


def make_digits_textures(root: str | Path, seed: int = 0) -> dict:
    """Write the digits that scikit-learn ships as a tree of PNGs, once.

    Light digits are laid over darker noise, stripes or checks, large or
    small, off the middle, in colours that say nothing of the class. Pixels
    then mislead: the 20 nearest neighbours name 55 % of the test images
    rightly, against 97 % on the bare digits.

    ``root`` becomes ``{train,test}/{0..9}/NNNN.png``, 32x32 RGB, with NNNN
    the number of the digit in scikit-learn's set. It appears at once and
    complete; an interrupted call leaves nothing. The split does not depend
    on ``seed``. The same versions of the libraries write the same bytes.

    Args:
        root (str | Path): Folder to make; a complete one is kept.
        seed (int): Seed of textures, colours and places. Defaults to 0.

    Returns:
        dict: The manifest: ``seed``, ``train`` (1437) and ``test`` (360)
        images, and ``sha256`` over the names and bytes of all of them.

    Raises:
        ValueError: If ``root`` holds something else.
    """
    root = Path(root)
    if root.is_dir() and any(root.iterdir()):
        return _check(root, seed)
    root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root.parent) as folder:
        tree = Path(folder) / root.name
        _write_images(tree, seed)
        manifest = _describe(tree, seed)
        (tree / _MANIFEST).write_text(json.dumps(manifest, indent=2) + '\n')
        try:
            os.rename(tree, root)
        except OSError:
            if not root.is_dir():
                raise
            # Another process was faster; its folder has to be the same.
            return _check(root, seed)
    return manifest


def _check(root: Path, seed: int) -> dict:
    """Manifest of an existing folder, after comparing every image."""
    path = root / _MANIFEST
    wanted = _describe(root, seed)
    found = json.loads(path.read_text()) if path.is_file() else None
    if found != wanted or any(wanted[s] != n for s, n in _COUNTS.items()):
        raise ValueError(
            f'{root} exists, but is not a complete digits_textures folder '
            f'of seed {seed}; delete it or name another folder'
        )
    return wanted


def _describe(root: Path, seed: int) -> dict:
    """Counts and checksum of the images below ``root``."""
    paths = sorted(root.glob('*/*/*.png'))
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.relative_to(root).as_posix().encode())
        digest.update(path.read_bytes())
    splits = [path.parts[-3] for path in paths]
    counts = {split: splits.count(split) for split in _COUNTS}
    return dict(seed=seed, **counts, sha256=digest.hexdigest())


def _write_images(tree: Path, seed: int) -> None:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    _, test = train_test_split(
        np.arange(len(digits.target)),
        test_size=_COUNTS['test'],
        stratify=digits.target,
        random_state=0,
    )
    test_indices = set(test.tolist())
    for index, (strokes, label) in enumerate(
        zip(digits.images, digits.target, strict=True)
    ):
        split = 'test' if index in test_indices else 'train'
        folder = tree / split / str(label)
        folder.mkdir(parents=True, exist_ok=True)
        # A generator of its own for each image: order does not matter.
        rng = np.random.default_rng((seed, index))
        img = compose_digit(strokes, rng)
        Image.fromarray(img).save(folder / f'{index:04d}.png')


def compose_digit(strokes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Lay one digit over a random texture.

    Args:
        strokes (np.ndarray): (8, 8) in [0, 16], ink of the digit.
        rng (np.random.Generator): Source of everything random.

    Returns:
        np.ndarray: (32, 32, 3) uint8, RGB.
    """
    mask = _place(strokes, rng)[..., None]  # (32, 32, 1)
    texture = _texture(rng)[..., None]
    low, high, ink = _colours(rng)
    background = low + (high - low) * texture
    img = background * (1 - mask) + ink * mask
    return np.round(img * 255).astype(np.uint8)


def _place(strokes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(32, 32) in [0, 1], the digit enlarged smoothly, near the middle."""
    size = int(rng.integers(20, 27))
    glyph = _enlarge(strokes / 16, size)
    # Hardens the blurred edge of a glyph that was 8 pixels high.
    glyph = np.clip((glyph - 0.3) / 0.3, 0, 1)
    slack = IMAGE_SIZE - size
    reach = min(4, slack // 2)
    top, left = slack // 2 + rng.integers(-reach, reach + 1, size=2)
    mask = np.zeros((IMAGE_SIZE, IMAGE_SIZE))
    mask[top : top + size, left : left + size] = glyph
    return mask


def _texture(rng: np.random.Generator) -> np.ndarray:
    """(32, 32) in [0, 1]: noise, stripes or checks out of a small stock.

    Only the part that is seen is random. With patterns of its own, every
    image could be told from all others without looking at the digit, and
    instance discrimination would learn just that.
    """
    kind = rng.integers(3)
    if kind == 0:
        field = _noise(int(rng.integers(2)))
        top, left = rng.integers(IMAGE_SIZE + 1, size=2)
        return field[top : top + IMAGE_SIZE, left : left + IMAGE_SIZE]
    phases = rng.uniform(0, 2 * np.pi, size=2)
    if kind == 1:
        waves = _wave(rng.integers(4) * np.pi / 4, phases[0])
    else:
        angle = rng.integers(2) * np.pi / 4
        waves = _wave(angle, phases[0])
        waves = waves * _wave(angle + np.pi / 2, phases[1])
    return np.clip(0.5 + 1.5 * waves, 0, 1)


@lru_cache
def _noise(number: int) -> np.ndarray:
    """(64, 64) in [0, 1], smooth noise of three octaves, always the same."""
    rng = np.random.default_rng(number)
    field = np.zeros((2 * IMAGE_SIZE, 2 * IMAGE_SIZE))
    for octave, cells in enumerate((6, 12, 24)):
        grid = rng.random((cells, cells))
        field += _enlarge(grid, 2 * IMAGE_SIZE) / 2**octave
    return (field - field.min()) / (field.max() - field.min())


def _wave(angle: float, phase: float) -> np.ndarray:
    """(32, 32) in [-1, 1], a plane wave with a period of 7 pixels."""
    rows, cols = np.mgrid[:IMAGE_SIZE, :IMAGE_SIZE]
    along = rows * np.sin(angle) + cols * np.cos(angle)
    return np.sin(2 * np.pi * along / 7 + phase)


def _enlarge(field: np.ndarray, size: int) -> np.ndarray:
    """Bicubic resize to (size, size) float64."""
    img = Image.fromarray(field.astype(np.float32))
    resized = img.resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(resized, dtype=np.float64)


def _colours(rng: np.random.Generator) -> np.ndarray:
    """(3, 3) RGB in [0, 1]: two for the texture and one for the ink.

    The ink is brighter than the texture; everything else is free.
    """
    hues = rng.random((3, 3))
    dark = rng.uniform(0.05, 0.4)
    levels = np.array([dark, dark + 0.06, rng.uniform(0.8, 1.0)])
    return np.stack(
        [_at_level(h, v) for h, v in zip(hues, levels, strict=True)]
    )


def _at_level(colour: np.ndarray, level: float) -> np.ndarray:
    """Move a colour towards black or white until its luma is ``level``."""
    luma = colour @ np.array([0.299, 0.587, 0.114])
    if luma > level:
        return colour * (level / luma)
    return 1 - (1 - colour) * ((1 - level) / (1 - luma))
