"""What every miner shares."""

from __future__ import annotations

import time
from abc import ABCMeta, abstractmethod
from dataclasses import dataclass

import torch
from mmengine.dist import broadcast, get_world_size, is_main_process
from mmengine.model import BaseModule
from torch import Tensor

from mmisl.structures import NeighborGraph

from .edge_selection import Candidates, edges_to_quota, select_edges


@dataclass(frozen=True)
class MiningSummary:
    """What one mining stage did.

    Attributes:
        num_candidates: Directed pairs proposed.
        num_requested: New undirected edges the quota asked for.
        num_accepted: New undirected edges inserted.
        seconds: Wall time of the stage.
        observations: Further numbers of the miner, to be logged by name.
    """

    num_candidates: int
    num_requested: int
    num_accepted: int
    seconds: float
    observations: dict[str, float]


class BaseMiner(BaseModule, metaclass=ABCMeta):
    """Answers, once a round: which samples are positives of each sample?

    A miner proposes scored pairs; the quota, the degree cap and the mutual
    check are the same for all, so two miners are compared at equal numbers of
    edges.

    Args:
        max_degree (int, optional): Cap on the neighbours of a sample. The
            released code has none, and builds hubs.
        mutual (bool): Keep only pairs proposed from both ends.

    Attributes:
        feat_dim: D that the miner's networks are made for; None if any.

    Raises:
        ValueError: If ``max_degree`` is smaller than 1.
    """

    feat_dim: int | None = None

    def __init__(
        self, max_degree: int | None = None, *, mutual: bool = False
    ) -> None:
        super().__init__()
        if max_degree is not None and max_degree < 1:
            raise ValueError(f'max_degree must be >= 1, got {max_degree}')
        self.max_degree = max_degree
        self.mutual = mutual

    @abstractmethod
    def propose(
        self, views: Tensor, bank: Tensor, graph: NeighborGraph, seed: int
    ) -> tuple[Candidates, dict[str, float]]:
        """Propose pairs, the same on all ranks.

        Args:
            views (Tensor): (V, N, D) float, norm 1: V augmented views of
                every sample, encoded by the frozen encoder.
            bank (Tensor): (N, D) float, norm 1.
            graph (NeighborGraph): Over the same samples; a miner that chooses
                its edges anew every round clears it here.
            seed (int): Of everything random in this stage.

        Returns:
            tuple[Candidates, dict[str, float]]: Proposals and numbers worth
            logging.
        """

    def mine(
        self,
        views: Tensor,
        bank: Tensor,
        graph: NeighborGraph,
        quota: float,
        *,
        seed: int,
    ) -> MiningSummary:
        """Add edges until the graph holds ``quota`` neighbours per sample.

        Surplus candidates are dropped in order of falling confidence, so the
        quota is met exactly unless there are too few candidates.

        Args:
            views (Tensor): (V, N, D) float, norm 1.
            bank (Tensor): (N, D) float, norm 1.
            graph (NeighborGraph): Changed in place, equally on all ranks.
            quota (float): Mean neighbours per sample, existing edges
                included.
            seed (int): Of everything random in this stage.

        Returns:
            MiningSummary: What was proposed, asked for and inserted.

        Raises:
            ValueError: If shapes disagree or features are not finite.
        """
        if views.shape[1:] != bank.shape or graph.num_samples != len(bank):
            raise ValueError(
                f'views {tuple(views.shape)}, bank {tuple(bank.shape)} and '
                f'graph ({graph.num_samples} samples) must share N and D'
            )
        if not torch.isfinite(views).all():
            raise ValueError(
                'views hold NaN or infinite features, so nothing can be '
                'mined from them; lower the learning rate of the encoder'
            )
        start = time.perf_counter()
        candidates, observations = self.propose(views, bank, graph, seed)
        num_requested = edges_to_quota(graph, quota)
        src, dst = select_edges(
            candidates,
            graph,
            quota,
            max_degree=self.max_degree,
            mutual=self.mutual,
        )
        # Devices may break ties of the last bit differently.
        src, dst = _from_main_rank(src, dst)
        return MiningSummary(
            num_candidates=len(candidates),
            num_requested=num_requested,
            num_accepted=graph.add_edges(src, dst),
            seconds=time.perf_counter() - start,
            observations=observations,
        )


def _from_main_rank(src: Tensor, dst: Tensor) -> tuple[Tensor, Tensor]:
    """Rank 0's edges, on every rank."""
    if get_world_size() == 1:
        return src, dst
    count = torch.tensor(len(src), device=src.device)
    broadcast(count)
    edges = src.new_empty(2, int(count))
    if is_main_process():
        edges = torch.stack([src, dst])
    broadcast(edges)
    return edges[0], edges[1]


def mean_view(views: Tensor) -> Tensor:
    """Mean of the views of every sample, (N, D), norm 1; half is widened."""
    dtype = torch.promote_types(views.dtype, torch.float32)
    return torch.nn.functional.normalize(views.mean(0, dtype=dtype), dim=-1)


def check_topk(topk: int) -> int:
    """Return ``topk`` if it is a number of neighbours.

    Raises:
        ValueError: If ``topk`` is smaller than 1.
    """
    if topk < 1:
        raise ValueError(f'topk must be >= 1, got {topk}')
    return topk


def rows_at_once(num_samples: int, most: int) -> int:
    """Rows whose similarities to all N samples fit into half a gigabyte."""
    return max(1, min(most, 2**27 // num_samples))
