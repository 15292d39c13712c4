"""Draws an epoch uniformly over clusters instead of over images."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from mmisl.datasets.instance_dataset import InstanceDataset, Key
from mmisl.datasets.instance_layout import number_copies
from mmisl.datasets.instance_sampler import InstanceSampler
from mmisl.registry import DATA_SAMPLERS

# Beyond all numbers of epochs, and even: a stream of training.
_OCCURRENCE = 2**40


@DATA_SAMPLERS.register_module()
class ClusterSampler(InstanceSampler):
    """An epoch of N images, equally many of every cluster.

    k-means leaves clusters of very unequal sizes, and a classifier of their
    numbers would learn the largest ones alone. From each of the c clusters
    that have members, N // c + 1 images are drawn: without replacement where
    the cluster has more, with replacement otherwise; shuffled, N of them are
    the epoch. Source: DeepCluster's code, ``util.py``, ``UnifLabelSampler``.

    The training loop hands over the clusters before each epoch. An image
    that is drawn twice is augmented in two ways.

    Args:
        dataset (InstanceDataset): The data set to draw from.
        shuffle (bool): Must be True: an epoch is a random draw. Defaults to
            True.
        seed (int | None): See :class:`InstanceSampler`.

    Raises:
        ValueError: If ``shuffle`` is False.
    """

    def __init__(
        self,
        dataset: InstanceDataset,
        shuffle: bool = True,
        *,
        seed: int | None = None,
    ) -> None:
        if not shuffle:
            raise ValueError(
                'shuffle must be True: an epoch is drawn at random from the '
                'clusters; take InstanceSampler for a fixed order'
            )
        super().__init__(dataset, seed=seed, unique=True)
        self._clusters: Tensor | None = None

    def set_clusters(self, clusters: Tensor) -> None:
        """Take the cluster of every image, for the passes to come.

        Args:
            clusters (Tensor): (N,) integer, at least 0, the same on all
                ranks.

        Raises:
            ValueError: If there is not one for every image, or an image has
                no cluster yet.
        """
        clusters = clusters.cpu().long()
        if clusters.shape != (self.dataset.num_instances,):
            raise ValueError(
                f'clusters must be ({self.dataset.num_instances},), one per '
                f'image, got {tuple(clusters.shape)}'
            )
        if clusters.min() < 0:
            raise ValueError(
                'images have no clusters yet; set '
                'train_cfg.encoder.first_epochs=0 to cluster before the '
                'first epoch'
            )
        self._clusters = clusters

    def __iter__(self) -> Iterator[Key]:
        """Keys of this rank, in order; equally many on every rank."""
        positions = self.dataset.positions()
        drawn = self._draw()
        seed, number = self.stream
        _, counts = np.unique(drawn, return_counts=True)
        occurrences = number_copies(drawn.numpy(), counts).tolist()
        order = positions[drawn].tolist()
        for step in range(len(self)):
            turn = step * self.world_size + self.rank
            place = turn % len(order)
            stream = seed, number + _OCCURRENCE * occurrences[place]
            yield stream, order[place], turn >= len(order)

    def _draw(self) -> Tensor:
        """(N,) int64, the images of this epoch, in order."""
        if self._clusters is None:
            raise RuntimeError(
                'ClusterSampler has no clusters to draw from; train a '
                'clustering method with RoundBasedTrainLoop'
            )
        mixed = np.random.SeedSequence((self.seed, self.epoch))
        generator = torch.Generator()
        generator.manual_seed(int(mixed.generate_state(1, np.uint64)[0]))
        return draw_uniformly(self._clusters, generator)


def draw_uniformly(clusters: Tensor, generator: torch.Generator) -> Tensor:
    """Draw N images, equally many of every cluster.

    Args:
        clusters (Tensor): (N,) int64, the cluster of every image.
        generator (torch.Generator): Of the draws.

    Returns:
        Tensor: (N,) int64, images in random order, possibly repeated.
    """
    num_samples = len(clusters)
    # Members of a cluster side by side, in random order.
    shuffled = torch.randperm(num_samples, generator=generator)
    members = shuffled[clusters[shuffled].argsort(stable=True)]
    counts = torch.bincount(clusters)
    counts = counts[counts > 0]
    first = counts.cumsum(0) - counts
    share = num_samples // len(counts) + 1
    slot = torch.arange(share).expand(len(counts), share)
    uniform = torch.rand(
        len(counts), share, generator=generator, dtype=torch.float64
    )
    repeated = (uniform * counts.unsqueeze(1)).long()
    slot = torch.where(counts.unsqueeze(1) > share, slot, repeated)
    drawn = members[(first.unsqueeze(1) + slot).flatten()]
    order = torch.randperm(len(drawn), generator=generator)
    return drawn[order[:num_samples]]
