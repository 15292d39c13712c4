"""Frames of a picture, found in its pixels alone."""

from typing import NamedTuple

import numpy as np
from matplotlib.colors import to_rgb
from PIL import Image
from scipy import ndimage

from mmisl.visualization.image_cells import (
    NEUTRAL_COLOR,
    RIGHT_COLOR,
    WRONG_COLOR,
)

COLORS = dict(right=RIGHT_COLOR, wrong=WRONG_COLOR, neutral=NEUTRAL_COLOR)
_LARGER_THAN_LETTERS = 40


class Frame(NamedTuple):
    top: int
    left: int
    color: str  # a key of COLORS
    inside: tuple  # RGB of the pixel in the middle


def find_frames(path):
    """Rows of frames from top to bottom, each from left to right."""
    pixels = np.asarray(Image.open(path).convert('RGB')).astype(int)
    found = []
    for name, color in COLORS.items():
        rgb = np.round(np.array(to_rgb(color)) * 255)
        blobs, _ = ndimage.label((pixels == rgb).all(-1))
        for rows, columns in ndimage.find_objects(blobs):
            height = rows.stop - rows.start
            width = columns.stop - columns.start
            if min(height, width) > _LARGER_THAN_LETTERS:
                middle = pixels[
                    rows.start + height // 2, columns.start + width // 2
                ]
                found.append(
                    Frame(rows.start, columns.start, name, tuple(middle))
                )
    found.sort()
    rows = []
    for frame in found:
        # Frames of one row start within a few pixels of each other.
        if rows and frame.top - rows[-1][0].top < 20:
            rows[-1].append(frame)
        else:
            rows.append([frame])
    return [sorted(row, key=lambda frame: frame.left) for row in rows]
