"""Glyphs, textures and colours of the demo's images, and whose digits."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image

NUM_TEST_DIGITS = 360
# What patterns are scaled for: 32 pixels of an image of any size hold as much
# of them as an image of 32 pixels does.
_PATTERN_SIZE = 32


def load_digits() -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """The handwritten digits that scikit-learn ships, and their split.

    Returns:
        tuple: (1797, 8, 8) float64 ink in [0, 16]; (1797,) int64 labels; and
        the indices of ``train`` (1437) and ``test`` (360), each class in
        proportion, always the same.
    """
    from sklearn.datasets import load_digits as load
    from sklearn.model_selection import train_test_split

    digits = load()
    train, test = train_test_split(
        np.arange(len(digits.target)),
        test_size=NUM_TEST_DIGITS,
        stratify=digits.target,
        random_state=0,
    )
    split = dict(train=np.sort(train), test=np.sort(test))
    return digits.images, digits.target, split


def draw_glyph(strokes: np.ndarray, size: int) -> np.ndarray:
    """Enlarge a digit smoothly.

    Args:
        strokes (np.ndarray): (8, 8) in [0, 16], ink of the digit.
        size (int): Side of the result, in pixels.

    Returns:
        np.ndarray: (size, size) float64 in [0, 1], share of ink.
    """
    glyph = _enlarge(strokes / 16, size)
    # Hardens the blurred edge of a glyph that was 8 pixels high.
    return np.clip((glyph - 0.3) / 0.3, 0, 1)


def draw_texture(
    rng: np.random.Generator, size: int = _PATTERN_SIZE
) -> np.ndarray:
    """Noise, stripes or checks out of a small stock.

    Only the part that is seen is random. With patterns of its own, every
    image could be told from all others without looking at the digit, and
    instance discrimination would learn just that.

    Args:
        rng (np.random.Generator): Source of everything random.
        size (int): Side in pixels, a multiple of 32. Defaults to 32.

    Returns:
        np.ndarray: (size, size) float64 in [0, 1].
    """
    kind = rng.integers(3)
    if kind == 0:
        field = _noise(int(rng.integers(2)), size)
        top, left = rng.integers(size + 1, size=2)
        return field[top : top + size, left : left + size]
    phases = rng.uniform(0, 2 * np.pi, size=2)
    if kind == 1:
        waves = _wave(rng.integers(4) * np.pi / 4, phases[0], size)
    else:
        angle = rng.integers(2) * np.pi / 4
        waves = _wave(angle, phases[0], size)
        waves = waves * _wave(angle + np.pi / 2, phases[1], size)
    return np.clip(0.5 + 1.5 * waves, 0, 1)


def draw_colours(rng: np.random.Generator, num_inks: int = 1) -> np.ndarray:
    """Two colours for a texture, then one for each ink.

    Inks are brighter than the texture; everything else is free.

    Args:
        rng (np.random.Generator): Source of everything random.
        num_inks (int): Inks wanted. Defaults to 1.

    Returns:
        np.ndarray: (2 + num_inks, 3) float64 RGB in [0, 1].
    """
    hues = rng.random((2 + num_inks, 3))
    dark = rng.uniform(0.05, 0.4)
    bright = rng.uniform(0.8, 1.0, size=num_inks)
    levels = np.array([dark, dark + 0.06, *bright])
    return np.stack(
        [_at_level(h, v) for h, v in zip(hues, levels, strict=True)]
    )


@lru_cache
def _noise(number: int, size: int) -> np.ndarray:
    """(2 size, 2 size) in [0, 1], three octaves, always the same."""
    rng = np.random.default_rng(number)
    field = np.zeros((2 * size, 2 * size))
    for octave, cells in enumerate((6, 12, 24)):
        grid = rng.random((cells * size // _PATTERN_SIZE,) * 2)
        field += _enlarge(grid, 2 * size) / 2**octave
    return (field - field.min()) / (field.max() - field.min())


def _wave(angle: float, phase: float, size: int) -> np.ndarray:
    """(size, size) in [-1, 1], a plane wave with a period of 7 pixels."""
    rows, cols = np.mgrid[:size, :size]
    along = rows * np.sin(angle) + cols * np.cos(angle)
    return np.sin(2 * np.pi * along / 7 + phase)


def _enlarge(field: np.ndarray, size: int) -> np.ndarray:
    """Bicubic resize to (size, size) float64."""
    img = Image.fromarray(field.astype(np.float32))
    resized = img.resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(resized, dtype=np.float64)


def _at_level(colour: np.ndarray, level: float) -> np.ndarray:
    """Move a colour towards black or white until its luma is ``level``."""
    luma = colour @ np.array([0.299, 0.587, 0.114])
    if luma > level:
        return colour * (level / luma)
    return 1 - (1 - colour) * ((1 - level) / (1 - luma))
