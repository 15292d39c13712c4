"""Which images a picture shows the positives of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def choose_anchors(
    num_anchors: int,
    *,
    has_neighbors: np.ndarray,
    labels: np.ndarray | None = None,
    seed: int = 0,
) -> list[int]:
    """Draw anchors at random, one of each class in turn.

    Only whether an image has positives is looked at, never which ones. The
    same arguments give the same anchors.

    Args:
        num_anchors (int): Wanted; at least 1 and at most N.
        has_neighbors (np.ndarray): (N,) bool, images to prefer.
        labels (np.ndarray, optional): (N,) integer, negative where unknown.
        seed (int): Seed of the draw. Defaults to 0.

    Returns:
        list[int]: Different sample indices, by class.

    Raises:
        ValueError: If there are not as many images.
    """
    num_samples = len(has_neighbors)
    if not 1 <= num_anchors <= num_samples:
        raise ValueError(
            f'--num-anchors ({num_anchors}) must be in [1, {num_samples}], '
            'the number of images'
        )
    if labels is None:
        labels = np.zeros(num_samples, dtype=np.int64)
    rng = np.random.default_rng(seed)
    # Of the classes those come first that the seed draws first.
    rank = rng.permutation(labels.max() + 2)[labels]
    is_preferred = has_neighbors & (labels >= 0)
    order = rng.permutation(num_samples)
    order = order[np.argsort(~is_preferred[order], kind='stable')]
    turn = np.empty(num_samples, dtype=np.int64)
    for label in np.unique(labels):
        own = order[labels[order] == label]
        turn[own] = np.arange(len(own))
    chosen = np.lexsort((rank, turn, ~is_preferred))[:num_anchors]
    return sorted(chosen.tolist(), key=lambda anchor: (labels[anchor], anchor))


def check_anchors(anchors: Sequence[int], num_samples: int) -> list[int]:
    """Insist that anchors of the command line are images.

    Raises:
        ValueError: If one is not, or is given twice.
    """
    for anchor in anchors:
        if not 0 <= anchor < num_samples:
            raise ValueError(
                f'--anchors {anchor}: images are numbered from 0 to '
                f'{num_samples - 1}'
            )
    if len(set(anchors)) < len(anchors):
        raise ValueError(
            f'--anchors {" ".join(map(str, anchors))}: an image is given '
            'twice; name each once'
        )
    return list(anchors)
