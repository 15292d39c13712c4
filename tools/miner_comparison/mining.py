"""Lets a miner mine from nothing, and counts what it has found."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from mmisl.engine.seeding import derive_seed, reseed
from mmisl.evaluation import PixelDistances, graph_statistics
from mmisl.models.miners import (
    BaseMiner,
    Candidates,
    Views,
    mean_view,
    plain_neighbors,
)
from mmisl.structures import NeighborGraph

from .variants import Variant


class KeptProposals(BaseMiner):
    """Proposes what a miner has proposed from an empty graph, at any quota.

    What is proposed does not depend on the quota, and of a GAN it takes
    nearly all of the time.

    Args:
        miner (BaseMiner): Asked once, here.
        views (Views): V of (N, D) float, norm 1.
        bank (Tensor): (N, D) float, norm 1.
        seed (int): Of everything random in this stage.

    Attributes:
        seconds: Of the CPU, that it took to propose.
    """

    def __init__(
        self, miner: BaseMiner, views: Views, bank: Tensor, seed: int
    ) -> None:
        super().__init__(
            miner.max_degree,
            mutual=miner.mutual,
            min_replication=miner.min_replication,
        )
        start = time.process_time()
        graph = NeighborGraph(len(bank)).to(bank.device)
        self._kept = miner.propose(views, bank, graph, seed)
        self.seconds = time.process_time() - start

    def propose(
        self, views: Views, bank: Any, graph: NeighborGraph, seed: int
    ) -> tuple[Candidates, dict[str, float]]:
        """See :meth:`BaseMiner.propose`."""
        candidates, observations = self._kept
        return candidates, dict(observations)


@dataclass(frozen=True)
class Mining:
    """What is mined with one miner, weights drawn once.

    Attributes:
        variant: The miner.
        quotas: Mean neighbours of an image wanted, one empty graph each.
        seed: Of the miner's first weights, and of all that it draws.
    """

    variant: Variant
    quotas: list[float]
    seed: int


@dataclass(frozen=True)
class Bench:
    """What all miners are given, and what their edges are judged by.

    Attributes:
        views: V of (N, D) float, norm 1.
        bank: (N, D) float, norm 1; None for the mean of the views that a
            miner looks at.
        labels: (N,) int64, for reporting only; None where not known.
        pixels: Distances between the N images.
    """

    views: list[Tensor]
    bank: Tensor | None
    labels: Tensor | None
    pixels: PixelDistances
    # By the views that the bank hangs on, if any, and the number of edges.
    _controls: dict[tuple[int, int], dict[str, float]] = field(
        default_factory=dict, init=False
    )

    def mine(self, mining: Mining) -> Iterator[tuple[float, dict[str, Any]]]:
        """Mine with a new miner from an empty graph, once for each quota.

        Draws are seeded as those of round 0 of a run of that seed are.

        Yields:
            tuple[float, dict[str, Any]]: A quota, and what came of it.
        """
        variant, seed = mining.variant, mining.seed
        views = self.views[: variant.views]
        bank = self._bank_of(views)
        reseed(seed, 'miner')
        miner = variant.build(bank.shape[1]).to(bank.device)
        mining_seed = derive_seed(seed, 'mining', 0)
        reseed(mining_seed)
        kept = KeptProposals(miner, views, bank, mining_seed)
        for quota in mining.quotas:
            graph = NeighborGraph(len(bank)).to(bank.device)
            summary = kept.mine(views, bank, graph, quota, seed=mining_seed)
            observations = dict(summary.observations)
            numbers: dict[str, Any] = dict(
                edges=summary.num_accepted,
                requested=summary.num_requested,
                **self._numbers(summary.accepted, len(bank)),
                **self._control(bank, variant.views, summary.num_accepted),
                seconds=kept.seconds,
            )
            if summary.replication is not None:
                numbers['replication'] = summary.replication
            yield quota, dict(**numbers, observations=observations)

    def _bank_of(self, views: list[Tensor]) -> Tensor:
        if self.bank is not None:
            return self.bank
        mean = mean_view(views)
        assert isinstance(mean, Tensor), 'one process has no shards'
        return mean

    def _control(
        self, bank: Tensor, num_views: int, num_edges: int
    ) -> dict[str, float]:
        """Numbers of as many edges between plain nearest rows of the bank."""
        key = (num_views if self.bank is None else 0, num_edges)
        if key not in self._controls:
            edges = plain_neighbors(bank, num_edges)
            numbers = self._numbers(edges, len(bank))
            self._controls[key] = {
                f'control_{name}': numbers[name]
                for name in ('purity', 'pixel_distance')
                if name in numbers
            }
        return self._controls[key]

    def _numbers(
        self, edges: Candidates, num_samples: int
    ) -> dict[str, float]:
        graph = NeighborGraph(num_samples).to(edges.src.device)
        graph.add_edges(edges.src, edges.dst)
        statistics = graph_statistics(
            graph.indptr, graph.indices, labels=self.labels
        )
        numbers: dict[str, float] = {
            name: statistics[name]
            for name in ('purity', 'max_degree', 'coverage')
            if name in statistics
        }
        if len(edges):
            ends = torch.stack([edges.src, edges.dst]).cpu().numpy()
            numbers['pixel_distance'] = self.pixels.mean_between(*ends)
        return numbers
