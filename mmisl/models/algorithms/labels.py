"""Labels of what is trained with them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmpretrain.structures import DataSample
from torch import Tensor


def check_label_range(
    labels: Tensor | None, num_classes: int, *, key: str
) -> Tensor:
    """Insist that every image has a label that the classifier knows.

    On a GPU a label that is too large would stop the run with an assertion of
    the device, which names nothing.

    Args:
        labels (Tensor | None): (N,) int64; None for a set without labels.
        num_classes (int): C.
        key (str): Of C in the config.

    Returns:
        Tensor: The labels.

    Raises:
        ValueError: If there are none, or one is not in [0, C).
    """
    if labels is None:
        raise ValueError(
            'supervised training needs a label of every image, but the '
            'training set has none; take a labelled one'
        )
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= num_classes:
        raise ValueError(
            f'{key} is {num_classes}, but the training set has labels from '
            f'{low} to {high}; they must lie in [0, {num_classes})'
        )
    return labels


def check_every_class(labels: Tensor, num_classes: int) -> None:
    """Insist on an image of every class: without one it is never right.

    Args:
        labels (Tensor): (N,) int64 in [0, C).
        num_classes (int): C.

    Raises:
        ValueError: Naming up to five classes without an image.
    """
    counts = torch.bincount(labels, minlength=num_classes)
    absent = torch.nonzero(counts == 0).flatten().tolist()
    if absent:
        shown = ', '.join(map(str, absent[:5]))
        more = f' and {len(absent) - 5} more' if len(absent) > 5 else ''
        raise ValueError(
            f'the training set has no image of class {shown}{more} of '
            f'{num_classes}; give it one of each, or take a larger share of '
            'the labels'
        )


def labels_of(
    data_samples: Sequence[DataSample], rows: Sequence[int]
) -> Tensor:
    """(R,) int64, ``gt_label`` of some samples of a batch.

    Raises:
        ValueError: If one has no label.
    """
    return torch.cat([_label(data_samples[row]) for row in rows])


def _label(sample: DataSample) -> Tensor:
    if 'gt_label' not in sample:
        raise ValueError(
            'supervised training needs a label of every image, but a data '
            'sample has no gt_label; take a labelled training set'
        )
    return sample.gt_label
