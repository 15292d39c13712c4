"""Local Aggregation: the positives of a sample are its clusters."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from mmpretrain.structures import DataSample
from torch import Tensor

from mmisl.clustering import cluster_all
from mmisl.registry import MODELS
from mmisl.structures import ClusterAssignments

from ..miners import Views
from ..stage_summaries import ClusteringSummary
from .npid import NPID


@MODELS.register_module()
class LocalAggregation(NPID):
    """Local Aggregation for Unsupervised Learning of Visual Embeddings.

    Zhuang et al., ICCV 2019, `arXiv:1903.12355
    <https://arxiv.org/abs/1903.12355>`_. Training starts as :class:`NPID`;
    then, before every epoch, the rows of the bank are clustered several times
    from different initial centroids, and whoever shares any cluster with a
    sample, and is near it, is its positive. With
    :class:`mmisl.RoundBasedTrainLoop` that is
    ``encoder=dict(first_epochs=10, max_epochs=1)``: a long first round of
    warm start and rounds of one epoch.

    Args:
        backbone (dict): See :class:`BaseAlgorithm`.
        neck (dict): See :class:`BaseAlgorithm`.
        head (dict): Of :class:`mmisl.LocalAggregationHead`.
        memory (dict): Of :class:`mmisl.MemoryBank`; its size comes from the
            data set.
        num_clusters (int): k in [1, N] of each clustering.
        num_clusterings (int): H >= 1.
        num_iters (int): Of k-means, >= 1. Defaults to 20.
        warmup_head (dict, optional): Of the head before the first clustering,
            :class:`mmisl.NPIDHead` or another with its ``loss``. By default
            an ``NPIDHead`` with the temperature of ``head``.
        **kwargs: Of :class:`BaseAlgorithm`.

    Raises:
        ValueError: If a number is out of range.
    """

    mining_views = 'bank'

    def __init__(
        self,
        backbone: dict,
        neck: dict,
        head: dict,
        memory: dict,
        *,
        num_clusters: int,
        num_clusterings: int,
        num_iters: int = 20,
        warmup_head: dict | None = None,
        **kwargs,
    ) -> None:
        super().__init__(backbone, neck, head, memory, **kwargs)
        if num_iters < 1:
            raise ValueError(f'num_iters must be >= 1, got {num_iters}')
        self.num_iters = num_iters
        self.clusters = ClusterAssignments(num_clusterings, num_clusters)
        self.warmup_head = MODELS.build(
            warmup_head
            or dict(type='mmisl.NPIDHead', temperature=self.head.temperature)
        )

    def mine(self, views: Views, quota: float, seed: int) -> ClusteringSummary:
        """Cluster the rows of the bank anew.

        Args:
            views (Views): None are looked at.
            quota (float): Not used: every sample has clusters.
            seed (int): Of this stage; each clustering has its own from it.

        Returns:
            ClusteringSummary: What was found.
        """
        start = time.perf_counter()
        assignments, inertia = cluster_all(
            self.memory.rows,
            self.clusters.num_clusters,
            seeds=_mix(seed, self.clusters.num_clusterings),
            num_iters=self.num_iters,
        )
        self.clusters.update(assignments)
        return ClusteringSummary(
            seconds=time.perf_counter() - start,
            rows=self.memory.rows,
            inertia=inertia,
            num_empty=self.clusters.num_empty,
        )

    def _head_losses(
        self,
        feats: Tensor,
        sample_idx: Tensor,
        data_samples: Sequence[DataSample],
    ) -> dict[str, Tensor]:
        """NPID's until there are clusters."""
        if not self.clusters.is_known:
            return self.warmup_head.loss(
                feats, sample_idx, self.memory.rows, data_samples
            )
        return self.head.loss(
            feats, sample_idx, self.clusters, self.memory.rows
        )


def _mix(seed: int, num_seeds: int) -> list[int]:
    """Different seeds of 63 bits, the same on every machine."""
    mixed = np.random.SeedSequence(seed).generate_state(num_seeds, np.uint64)
    return [int(value) >> 1 for value in mixed]
