"""From the boxes of OpenCV's selective search to those of mmdet."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Rect = Sequence[int]


def keep_boxes(
    rects: Sequence[Rect], min_side: int, limit: int
) -> list[list[int]]:
    """The first boxes that are large enough.

    Args:
        rects (Sequence[Rect]): x, y, width and height of each box, in the
            order of selective search.
        min_side (int): Least width and height.
        limit (int): Most boxes.

    Returns:
        list[list[int]]: x1, y1, x2, y2, the corners in the box.
    """
    large = [rect for rect in rects if min(rect[2:]) >= min_side]
    return [[x, y, x + w - 1, y + h - 1] for x, y, w, h in large[:limit]]


def as_proposals(boxes: Sequence[Sequence[int]]) -> dict[str, np.ndarray]:
    """Entry of an image in a file of proposals.

    Selective search ranks its boxes and gives no scores. These fall from 1
    by equal steps, so that sorting by score changes nothing.

    Args:
        boxes (Sequence[Sequence[int]]): n boxes x1, y1, x2, y2.
    """
    num = len(boxes)
    scores = 1 - np.arange(num) / max(num, 1)
    return {
        'bboxes': np.array(boxes, dtype=np.float32).reshape(num, 4),
        'scores': scores.astype(np.float32),
    }
