"""One image of a grid: its frame, and a word below."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike
from torch import Tensor

from .plain_text import shorten

RIGHT_COLOR = '#2ca02c'
WRONG_COLOR = '#d62728'
NEUTRAL_COLOR = '#7f7f7f'
TEXT_COLOR = '#333333'

_MAX_NAME_LENGTH = 12
# Up to this many pixels a side, an image keeps them instead of a blur.
_SMALL_SIDE = 64

Labels: TypeAlias = Sequence[int] | Tensor | np.ndarray


def draw_cell(
    axes: Axes,
    image: ArrayLike,
    *,
    corner: tuple[float, float],
    color: str | None,
    name: str = '',
    side: float = 1.0,
) -> None:
    """Draw an image into a square, centred, with its frame and name.

    Args:
        axes (Axes): In units of the side of an image, y downwards.
        image (ArrayLike): (H, W, 3) or (H, W) uint8, or from PIL.
        corner (tuple[float, float]): Left and upper side of the square.
        color (str | None): Of the frame; None for no frame.
        name (str): Text below. Defaults to none.
        side (float): Of the square. Defaults to 1.
    """
    pixels = np.asarray(image)
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, axis=2)
    height, width = pixels.shape[:2]
    longest = max(height, width)
    width, height = side * width / longest, side * height / longest
    left = corner[0] + (side - width) / 2
    top = corner[1] + (side - height) / 2
    axes.imshow(
        pixels,
        extent=(left, left + width, top + height, top),
        aspect='auto',
        interpolation='nearest' if longest <= _SMALL_SIDE else 'antialiased',
    )
    if color is not None:
        frame = Rectangle((left, top), width, height, fill=False)
        frame.set(edgecolor=color, linewidth=2.5)
        axes.add_patch(frame)
    axes.text(
        corner[0] + side / 2,
        corner[1] + side + 0.07,
        name,
        ha='center',
        va='top',
        fontsize=7,
        color=TEXT_COLOR,
    )


def class_name(
    sample_idx: int,
    labels: Labels | None,
    class_names: Sequence[str] | None,
) -> str:
    """Name of a sample's class, short enough to stand below its image.

    Args:
        sample_idx (int): In [0, N).
        labels (Labels, optional): (N,) classes, negative where unknown.
        class_names (Sequence[str], optional): (C,) names; without them the
            class number is given.

    Returns:
        str: Empty where the class is not known.
    """
    label = _label(sample_idx, labels)
    if label is None:
        return ''
    name = str(label) if class_names is None else class_names[label]
    return shorten(name, _MAX_NAME_LENGTH)


def is_same_class(
    anchor: int, neighbor: int, labels: Labels | None
) -> bool | None:
    """Whether two samples are of one class; None if that is not known.

    Args:
        anchor (int): In [0, N).
        neighbor (int): In [0, N).
        labels (Labels, optional): (N,) classes, negative where unknown.
    """
    first, second = _label(anchor, labels), _label(neighbor, labels)
    return None if None in (first, second) else first == second


def _label(sample_idx: int, labels: Labels | None) -> int | None:
    if labels is None:
        return None
    label = int(labels[sample_idx])
    return None if label < 0 else label
