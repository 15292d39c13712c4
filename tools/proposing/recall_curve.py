"""Recall of proposals against their number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from mmdet.evaluation.functional import bbox_overlaps


@dataclass(frozen=True)
class RecallCurve:
    """Recall for several numbers of proposals.

    Attributes:
        counts: Most proposals that were taken of an image, K numbers.
        means: Mean number that was there to be taken, K numbers.
        ious: Least IoU at which an object is found, T numbers.
        recalls: (K, T) shares of the objects that are found, in 0..1.
        num_objects: Objects in all images.
        num_images: Images.
    """

    counts: Sequence[int]
    means: np.ndarray
    ious: Sequence[float]
    recalls: np.ndarray
    num_objects: int
    num_images: int


def measure_recall(
    objects: Mapping[str, np.ndarray],
    bboxes: Mapping[str, np.ndarray],
    counts: Sequence[int],
    ious: Sequence[float],
) -> RecallCurve:
    """Measure the recall of the first proposals of every image.

    mmdet's ``eval_recalls`` stacks the IoUs of all images in one array, which
    numpy refuses where images have different numbers of boxes.

    Args:
        objects (Mapping[str, np.ndarray]): (g, 4) boxes of each image.
        bboxes (Mapping[str, np.ndarray]): (n, 4) proposals of each image,
            the best first.
        counts (Sequence[int]): Numbers of proposals to take.
        ious (Sequence[float]): Least IoUs.

    Raises:
        ValueError: If there is no object.
    """
    best = np.concatenate(
        [best_ious(objects[key], bboxes[key], counts) for key in objects]
    )
    if not len(best):
        raise ValueError(
            f'none of the {len(objects)} images has an object that is not '
            'difficult, so there is no recall; take another split'
        )
    found = best[..., None] >= np.array(ious)
    numbers = np.array([len(bboxes[key]) for key in objects])
    return RecallCurve(
        counts=counts,
        means=np.minimum(numbers[:, None], counts).mean(axis=0),
        ious=ious,
        recalls=found.mean(axis=0),
        num_objects=len(best),
        num_images=len(objects),
    )


def best_ious(
    objects: np.ndarray, bboxes: np.ndarray, counts: Sequence[int]
) -> np.ndarray:
    """IoU of each object with the nearest of the first proposals.

    Args:
        objects (np.ndarray): (g, 4) boxes.
        bboxes (np.ndarray): (n, 4) proposals, the best first.
        counts (Sequence[int]): K numbers of proposals to take.

    Returns:
        np.ndarray: (g, K) IoUs in 0..1, 0 where there is no proposal.
    """
    # Legacy is what VOC does: a box from 3 to 3 is one pixel wide.
    ious = bbox_overlaps(objects, bboxes, use_legacy_coordinate=True)
    none = np.zeros((len(objects), 1), dtype=ious.dtype)
    best = np.maximum.accumulate(np.hstack([none, ious]), axis=1)
    return best[:, np.minimum(counts, len(bboxes))]
