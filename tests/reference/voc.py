"""Average precision of detections, as VOC2007 defines it.

Source: ``VOCevaldet.m`` of the development kit. The 11 recalls are those of
py-faster-rcnn, ``0.1 * i`` in floating point.
"""

from __future__ import annotations

from dataclasses import dataclass

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Truth:
    """An object of one class: its image, box, and whether it is difficult."""

    image: int
    box: Box
    difficult: bool


@dataclass(frozen=True)
class Detection:
    """A detection of one class: its image, box and score."""

    image: int
    box: Box
    score: float


def overlap(left: Box, right: Box) -> float:
    """Intersection over union; both corners are pixels of a box."""
    width = min(left[2], right[2]) - max(left[0], right[0]) + 1
    height = min(left[3], right[3]) - max(left[1], right[1]) + 1
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return both / (area(left) + area(right) - both)


def area(box: Box) -> float:
    """Number of pixels of a box."""
    return (box[2] - box[0] + 1) * (box[3] - box[1] + 1)


def judge(truth: list[Truth], detections: list[Detection]) -> list[bool]:
    """Whether each detection is right, by falling score.

    Each belongs to the object of its image that it overlaps most. It is
    right if they overlap by half or more and no better one has found the
    object; one of a difficult object is left out.
    """
    verdicts = []
    found = set()
    for detection in sorted(detections, key=lambda d: -d.score):
        best, most = None, 0.0
        for index, item in enumerate(truth):
            if item.image != detection.image:
                continue
            share = overlap(detection.box, item.box)
            if share > most:
                best, most = index, share
        if best is None or most < 0.5:
            verdicts.append(False)
        elif not truth[best].difficult:
            verdicts.append(best not in found)
            found.add(best)
    return verdicts


def average_precision(
    truth: list[Truth], detections: list[Detection], mode: str
) -> float:
    """Average precision of a class.

    Args:
        truth (list[Truth]): At least one that is not difficult.
        detections (list[Detection]): No two of one score.
        mode (str): ``'11points'`` or ``'area'``.

    Returns:
        float: In [0, 1].
    """
    wanted = sum(not item.difficult for item in truth)
    curve = []  # recall and precision after each detection
    right = 0
    for rank, verdict in enumerate(judge(truth, detections), start=1):
        right += verdict
        curve.append((right / wanted, right / rank))

    def best_from(recall: float) -> float:
        return max((p for r, p in curve if r >= recall), default=0.0)

    if mode == '11points':
        return sum(best_from(0.1 * i) for i in range(11)) / 11
    return sum(best_from(i / wanted) for i in range(1, right + 1)) / wanted
