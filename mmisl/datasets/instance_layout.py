"""Which image lies at which position of nested mmengine data sets."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmengine.dataset import (
    BaseDataset,
    ClassBalancedDataset,
    ConcatDataset,
    RepeatDataset,
)


def find_leaves(dataset: Any) -> list[BaseDataset]:
    """Innermost data sets, in the order of their images."""
    if isinstance(dataset, BaseDataset):
        return [dataset]
    if isinstance(dataset, ConcatDataset):
        return [
            leaf for child in dataset.datasets for leaf in find_leaves(child)
        ]
    if isinstance(dataset, (RepeatDataset, ClassBalancedDataset)):
        return find_leaves(dataset.dataset)
    raise TypeError(
        f'dataset must be a BaseDataset, ConcatDataset, RepeatDataset or '
        f'ClassBalancedDataset of mmengine, got {type(dataset).__name__}; '
        'derive your data set from mmpretrain.datasets.BaseDataset'
    )


def sample_indices(dataset: Any) -> np.ndarray:
    """(P,) int64, index of the image at each of the P positions."""
    if isinstance(dataset, ConcatDataset):
        parts, offset = [], 0
        for child in dataset.datasets:
            part = sample_indices(child)
            parts.append(part + offset)
            offset += int(part.max(initial=-1)) + 1
        return np.concatenate(parts)
    if isinstance(dataset, RepeatDataset):
        return np.tile(sample_indices(dataset.dataset), dataset.times)
    if isinstance(dataset, ClassBalancedDataset):
        return sample_indices(dataset.dataset)[dataset.repeat_indices]
    return np.arange(len(dataset), dtype=np.int64)


def number_copies(sample_idx: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """(P,) int64, how often each position's image came up before it."""
    order = np.argsort(sample_idx, kind='stable')
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    copy = np.empty_like(sample_idx)
    copy[order] = np.arange(len(sample_idx)) - starts
    return copy


def folder_of(leaf: BaseDataset) -> str:
    """Where the images of a data set lie; its type where it has no folder."""
    folders = [folder for folder in leaf.data_prefix.values() if folder]
    return ', '.join(folders) or type(leaf).__name__
