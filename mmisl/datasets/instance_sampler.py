"""Deals the images of an epoch out to the ranks, with their random stream."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from mmengine.dist import get_dist_info, sync_random_seed
from torch import Tensor
from torch.utils.data import Sampler

from mmisl.datasets.instance_dataset import InstanceDataset, Key, Stream
from mmisl.registry import DATA_SAMPLERS


@DATA_SAMPLERS.register_module()
class InstanceSampler(Sampler[Key]):
    """Yields the keys ``(stream, position, is_padding)`` of one rank.

    The order of an epoch is drawn once, alike on all ranks; rank r of W
    takes every W-th key from r on. So the k-th batches of all ranks
    together are the k-th batch of a single process with W times the batch
    size. Up to W - 1 keys are repeated at the end, marked as padding, to
    keep ranks in step: they carry ``sample_idx`` -1.

    The stream picks the random numbers of the augmentation. It is the
    seed with the number of the pass: ``2 * epoch`` for training, ``2 *
    view + 1`` for views for mining, so that no view repeats an epoch. It
    travels in the key because persistent workers never hear of a new one.

    Args:
        dataset (InstanceDataset): The data set to draw from.
        shuffle (bool): Whether each epoch has an order of its own;
            views for mining keep the order of the data set. Defaults to
            True.
        seed (int | None): Root of order and augmentation, at least 0,
            alike on all ranks. None asks rank 0 for one. Defaults to None.
        view (int | None): Which view for mining to yield, at least 0, or
            None for training. Defaults to None.
        unique (bool): Whether images that the data set repeats come up
            only once. Defaults to False.

    Raises:
        TypeError: If ``dataset`` is not an ``InstanceDataset``.
        ValueError: If ``seed`` or ``view`` is negative.
    """

    def __init__(
        self,
        dataset: InstanceDataset,
        shuffle: bool = True,
        *,
        seed: int | None = None,
        view: int | None = None,
        unique: bool = False,
    ) -> None:
        if not isinstance(dataset, InstanceDataset):
            raise TypeError(
                f'dataset must be an InstanceDataset, got '
                f'{type(dataset).__name__}; wrap it: '
                "dataset=dict(type='InstanceDataset', dataset=dict(...))"
            )
        if view is not None and view < 0:
            raise ValueError(f'view ({view}) must be at least 0 or None')
        if seed is not None and seed < 0:
            raise ValueError(f'seed ({seed}) must be at least 0 or None')
        self.rank, self.world_size = get_dist_info()
        self.dataset = dataset
        self.shuffle = shuffle
        self.seed = sync_random_seed() if seed is None else seed
        self.view = view
        self.unique = unique
        self.epoch = 0

    def __iter__(self) -> Iterator[Key]:
        """Keys of this rank, in order; equally many on every rank."""
        order = self._order().tolist()
        for step in range(len(self)):
            turn = step * self.world_size + self.rank
            yield self.stream, order[turn % len(order)], turn >= len(order)

    def __len__(self) -> int:
        """Number of keys of this rank, padding included."""
        return -(-self._num_positions // self.world_size)

    def set_epoch(self, epoch: int) -> None:
        """Choose order and stream of the next pass; ignored by a view."""
        self.epoch = epoch

    @property
    def stream(self) -> Stream:
        """Root of the random numbers of this pass."""
        number = 2 * self.epoch if self.view is None else 2 * self.view + 1
        return self.seed, number

    @property
    def _num_positions(self) -> int:
        return self.dataset.num_instances if self.unique else len(self.dataset)

    def _order(self) -> Tensor:
        """(P,) int64, all positions in the order of this pass."""
        if self.unique:
            positions = self.dataset.positions()
        else:
            positions = torch.arange(len(self.dataset))
        if not self.shuffle or self.view is not None:
            return positions
        # Mixed, not added: seed 1, epoch 0 must differ from seed 0, epoch 1.
        mixed = np.random.SeedSequence((self.seed, self.epoch))
        generator = torch.Generator()
        generator.manual_seed(int(mixed.generate_state(1, np.uint64)[0]))
        return positions[torch.randperm(len(positions), generator=generator)]
