"""Where digits lie in a scene, and what of them can be seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .digit_drawing import draw_glyph

# Sides of a digit's square, in pixels; a smaller one is tiny.
_TINY, _SMALLEST, _LARGEST = 10, 16, 64
_TINY_SHARE, _CUT_SHARE, _COVERED_SHARE = 0.1, 0.15, 0.1
# A digit that leaves the image or is covered keeps this much of its side.
_KEPT = (0.3, 0.8)
# More overlap than this between two squares is tried again.
_MAX_IOU, _NUM_TRIES = 0.25, 20
# VOC's annotators: truncated if more than 15 % is outside the box. Below
# what can be named an object is left out; between, it is difficult.
_TRUNCATED_BELOW, _DIFFICULT_BELOW, _NAMED_FROM = 0.85, 0.5, 0.15
_MIN_EXTENT = 3  # pixels on either axis, for a box to be one
_INK = 0.5


@dataclass(frozen=True)
class Placement:
    """One digit in a scene.

    Attributes:
        index: Of the digit in its stock.
        square: Left, top and side in pixels; may leave the scene.
        mask: (H, W) float64 in [0, 1], its ink in the scene, as if nothing
            lay over it.
        whole: (H + 2 M, W + 2 M) bool, its ink where nothing is cut off; the
            margin M is wide enough for every digit.
    """

    index: int
    square: tuple[int, int, int]
    mask: np.ndarray
    whole: np.ndarray


@dataclass(frozen=True)
class SceneObject:
    """What a person would note of one digit.

    Attributes:
        index: Of the digit in its stock.
        label: Which digit it is.
        bbox: Left, top, right, bottom of the ink that is seen, in pixels
            from 0, the last ones included.
        truncated: Whether the box shows less than the digit's extent.
        difficult: Whether it is tiny, or less than half of its ink is seen.
    """

    index: int
    label: int
    bbox: tuple[int, int, int, int]
    truncated: bool
    difficult: bool


def place_digits(
    strokes: np.ndarray,
    chosen: np.ndarray,
    rng: np.random.Generator,
    size: int,
) -> list[Placement]:
    """Give every chosen digit a size and a place.

    Args:
        strokes (np.ndarray): (N, 8, 8) in [0, 16], ink of the stock.
        chosen (np.ndarray): (K,) int64, rows of it.
        rng (np.random.Generator): Source of everything random.
        size (int): Side of the scene, in pixels.

    Returns:
        list[Placement]: From the back to the front; fewer than K where the
        scene is full.
    """
    placements: list[Placement] = []
    for index in chosen:
        squares = [placement.square for placement in placements]
        for _ in range(_NUM_TRIES):
            square = _draw_square(rng, size)
            if all(_iou(square, other) <= _MAX_IOU for other in squares):
                placements.append(
                    _place(strokes[index], int(index), square, rng, size)
                )
                break
    return placements


def annotate(
    placements: list[Placement], labels: np.ndarray
) -> list[SceneObject]:
    """Note what is seen of every digit.

    Args:
        placements (list[Placement]): From the back to the front.
        labels (np.ndarray): (N,) int64, of the whole stock.

    Returns:
        list[SceneObject]: In the same order, without those of which next to
        nothing is seen.
    """
    objects = []
    for number, placement in enumerate(placements):
        seen = placement.mask > _INK
        for later in placements[number + 1 :]:
            seen &= later.mask <= _INK
        share = seen.sum() / placement.whole.sum()
        if share < _NAMED_FROM:
            continue
        bbox = _extent(seen)
        if min(bbox[2] - bbox[0], bbox[3] - bbox[1]) < _MIN_EXTENT - 1:
            continue
        shown = _area(bbox) / _area(_extent(placement.whole))
        is_tiny = placement.square[2] < _SMALLEST
        objects.append(
            SceneObject(
                index=placement.index,
                label=int(labels[placement.index]),
                bbox=bbox,
                truncated=bool(shown < _TRUNCATED_BELOW),
                difficult=bool(is_tiny or share < _DIFFICULT_BELOW),
            )
        )
    return objects


def _draw_square(rng: np.random.Generator, size: int) -> tuple[int, int, int]:
    """Left, top and side: inside the scene, or out of it on one side."""
    if rng.random() < _TINY_SHARE:
        side = int(rng.integers(_TINY, _SMALLEST))
    else:  # as many of each octave
        side = int(np.exp(rng.uniform(np.log(_SMALLEST), np.log(_LARGEST))))
    corner = rng.integers(0, size - side + 1, size=2)
    if rng.random() < _CUT_SHARE:
        inside = round(side * rng.uniform(*_KEPT))
        axis = rng.integers(2)
        corner[axis] = rng.choice([inside - side, size - inside])
    return int(corner[0]), int(corner[1]), side


def _iou(a: tuple[int, int, int], b: tuple[int, int, int]) -> float:
    """Of two squares."""
    width, height = (
        max(0, min(a[i] + a[2], b[i] + b[2]) - max(a[i], b[i])) for i in (0, 1)
    )
    inter = width * height
    return inter / (a[2] ** 2 + b[2] ** 2 - inter)


def _place(
    strokes: np.ndarray,
    index: int,
    square: tuple[int, int, int],
    rng: np.random.Generator,
    size: int,
) -> Placement:
    left, top, side = square
    glyph = draw_glyph(strokes, side)
    margin = _LARGEST
    canvas = np.zeros((size + 2 * margin, size + 2 * margin))
    rows = slice(margin + top, margin + top + side)
    cols = slice(margin + left, margin + left + side)
    canvas[rows, cols] = glyph
    whole = canvas > _INK
    canvas[rows, cols] = _cover(glyph, rng)
    mask = canvas[margin : margin + size, margin : margin + size]
    return Placement(index, square, mask.copy(), whole)


def _cover(glyph: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The glyph, or what is left of it behind an edge of the texture."""
    if rng.random() >= _COVERED_SHARE:
        return glyph
    kept = round(len(glyph) * rng.uniform(*_KEPT))
    turns = int(rng.integers(4))
    turned = np.rot90(glyph, turns).copy()
    turned[kept:] = 0
    return np.rot90(turned, -turns)


def _extent(ink: np.ndarray) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of what is True, ends included."""
    rows, cols = np.nonzero(ink)
    return (
        int(cols.min()),
        int(rows.min()),
        int(cols.max()),
        int(rows.max()),
    )


def _area(bbox: tuple[int, int, int, int]) -> int:
    left, top, right, bottom = bbox
    return (right - left + 1) * (bottom - top + 1)
