"""Gives every image of a training set one index, whatever wraps it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from numbers import Integral
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from mmisl.datasets.instance_layout import (
    find_leaves,
    folder_of,
    number_copies,
    sample_indices,
)
from mmisl.datasets.loading_errors import (
    CURE,
    config_folders,
    in_one_line,
    one_line_errors,
)
from mmisl.registry import DATASETS

# Seed of the run, and the number of the pass over its images.
Stream = tuple[int, int]
# Stream, position in the data set, whether it is a padded copy.
Key = tuple[Stream, int, bool]


@DATASETS.register_module()
class InstanceDataset(Dataset):
    """Data set whose items know which image of the whole set they are.

    A memory bank has one row for every image, but the ``sample_idx`` of
    mmengine is an index into the innermost data set: under
    ``ConcatDataset`` two images share it. Here images are numbered over
    the whole set, and copies under ``RepeatDataset`` or
    ``ClassBalancedDataset`` keep the number of their image.

    All random numbers of an item are drawn from the stream that the
    sampler names, ``sample_idx`` and the number of the copy, and the
    generators are put back. So an augmented image does not depend on the
    number of workers or ranks, on the order of the images, or on whether
    the run was interrupted before.

    Args:
        dataset (dict | Dataset): A data set of mmengine's ``BaseDataset``
            family, or ``ConcatDataset``, ``RepeatDataset`` and
            ``ClassBalancedDataset`` of such, nested at will. The pipeline
            has to end with ``PackInputs``. Replacing an unreadable image
            by a random one (``max_refetch``) is switched off: the feature
            would be written into the row of another image.

    Attributes:
        num_instances (int): Number N of distinct images, at least 1.
        folders (str): Where they lie, as messages say it.

    Raises:
        FileNotFoundError: If a folder or file of the data set is missing.
        TypeError: If ``dataset`` is no data set of the kinds above.
        ValueError: If the data set cannot be loaded or holds no image.

    Example:
        >>> dataset = InstanceDataset(
        ...     dict(type='RepeatDataset', times=3, dataset=two_images))
        >>> len(dataset), dataset.num_instances
        (6, 2)
        >>> [dataset.sample_idx_of(position) for position in range(6)]
        [0, 1, 0, 1, 0, 1]
    """

    def __init__(self, dataset: dict | Dataset) -> None:
        if isinstance(dataset, dict):
            with one_line_errors(', '.join(config_folders(dataset))):
                dataset = DATASETS.build(dataset)
        self.dataset: Any = dataset
        self._fully_initialized = False
        self.full_init()

    def full_init(self) -> None:
        """Load the annotations; the constructor has done so already.

        mmengine's runner calls this on every data set.
        """
        if self._fully_initialized:
            return
        leaves = find_leaves(self.dataset)
        self.folders = ', '.join(folder_of(leaf) for leaf in leaves)
        with one_line_errors(self.folders):
            self.dataset.full_init()
        for leaf in leaves:
            leaf.max_refetch = 0
        self._sample_idx = sample_indices(self.dataset)
        _, first, counts = np.unique(
            self._sample_idx, return_index=True, return_counts=True
        )
        self._positions = first
        self._copy = number_copies(self._sample_idx, counts)
        self.num_instances = len(first)
        if self.num_instances < 1:
            raise ValueError(
                f'the data set in {self.folders} holds no image; {CURE}'
            )
        self._fully_initialized = True

    @property
    def metainfo(self) -> dict:
        """Meta information of the wrapped data set, such as ``classes``."""
        return self.dataset.metainfo

    def __len__(self) -> int:
        """Number of positions; more than N if images are repeated."""
        return len(self._sample_idx)

    def sample_idx_of(self, position: int) -> int:
        """Index in [0, N) of the image at ``position``.

        Raises:
            IndexError: If ``position`` is outside [0, ``len(self)``).
        """
        if not 0 <= position < len(self):
            raise IndexError(
                f'position ({position}) must be in [0, {len(self)})'
            )
        return int(self._sample_idx[position])

    def positions(self) -> Tensor:
        """(N,) int64, the first position of every image, by sample_idx."""
        return torch.from_numpy(self._positions.copy())

    def labels(self) -> Tensor | None:
        """Class of every image, for reporting only, never for training.

        Read once: every validation asks for them.

        Returns:
            Tensor | None: (N,) int64 by sample_idx, or None unless every
            image has exactly one integer ``gt_label``.
        """
        return self._labels

    @cached_property
    def _labels(self) -> Tensor | None:
        labels = []
        for position in self._positions.tolist():
            label = self.dataset.get_data_info(position).get('gt_label')
            if not isinstance(label, Integral):
                return None
            labels.append(int(label))
        return torch.tensor(labels)

    def get_info(self, sample_idx: int) -> dict:
        """Annotation of one image, without running the pipeline.

        Args:
            sample_idx (int): Index in [0, N).

        Returns:
            dict: What the data set knows of the image: ``img_path`` or the
            array ``img``, ``gt_label`` if it has one, and ``sample_idx``.

        Raises:
            IndexError: If ``sample_idx`` is outside [0, N).
        """
        if not 0 <= sample_idx < self.num_instances:
            raise IndexError(
                f'sample_idx ({sample_idx}) must be in '
                f'[0, {self.num_instances})'
            )
        info = self.dataset.get_data_info(int(self._positions[sample_idx]))
        return {**info, 'sample_idx': sample_idx}

    def __getitem__(self, key: int | Key) -> dict:
        """Run the pipeline on one image.

        Args:
            key (int | Key): ``(stream, position, is_padding)`` as
                :class:`InstanceSampler` yields it, or a position alone,
                which stands for stream (0, 0), no padding.

        Returns:
            dict: ``inputs``, and ``data_samples`` whose ``sample_idx`` is
            the index of the image in [0, N), or -1 for a padded copy, and
            whose ``draw_key`` its random numbers depend on: seed and number
            of the stream, index of the image, number of the copy.

        Raises:
            IndexError: If the position is outside [0, ``len(self)``).
            RuntimeError: If the image cannot be read or transformed.
            TypeError: If the pipeline does not end with ``PackInputs``.
        """
        position, metainfo = self._resolve(key)
        with seeded(*metainfo['draw_key']):
            item = self._run_pipeline(position, metainfo['draw_key'][2])
        if not isinstance(item, dict) or 'data_samples' not in item:
            raise TypeError(
                f'the pipeline must return inputs and data_samples, got '
                f'{type(item).__name__} without data_samples; end it with '
                "dict(type='mmpretrain.PackInputs')"
            )
        item['data_samples'].set_metainfo(metainfo)
        return item

    def _resolve(self, key: int | Key) -> tuple[int, dict]:
        """Position of a key, and what its data sample has to know."""
        stream, position, is_padding = (
            key if isinstance(key, tuple) else ((0, 0), key, False)
        )
        sample_idx = self.sample_idx_of(position)
        draw_key = (*stream, sample_idx, int(self._copy[position]))
        row = -1 if is_padding else sample_idx
        return position, dict(sample_idx=row, draw_key=draw_key)

    def _run_pipeline(self, position: int, sample_idx: int) -> Any:
        """``dataset[position]``, every failure as one line."""
        try:
            return self.dataset[position]
        # A damaged file can raise anything, depending on the decoder.
        except Exception as error:
            path = self.get_info(sample_idx).get('img_path', '(in memory)')
            raise RuntimeError(
                f'cannot load image {path} (sample_idx {sample_idx}): '
                f'{in_one_line(error)}; replace the file or take it out of '
                'the data set'
            ) from error


@contextmanager
def seeded(*entropy: int) -> Iterator[None]:
    """Seed Python, NumPy and torch's CPU generator; put all three back."""
    python_state = random.getstate()
    numpy_state = np.random.get_state()
    torch_state = torch.get_rng_state()
    words = np.random.SeedSequence(entropy).generate_state(3, np.uint64)
    random.seed(int(words[0]))
    np.random.seed(words.view(np.uint32))
    # torch.manual_seed would reseed the CUDA generators as well.
    torch.default_generator.manual_seed(int(words[2]))
    try:
        yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)
        torch.set_rng_state(torch_state)
