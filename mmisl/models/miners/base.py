"""What every miner shares."""

from __future__ import annotations

import time
from abc import ABCMeta, abstractmethod
from collections.abc import Sequence

import torch
from mmengine.dist import (
    all_reduce,
    broadcast,
    get_world_size,
    is_main_process,
)
from mmengine.model import BaseModule

from mmisl.ops import all_finite
from mmisl.registry import MODELS
from mmisl.structures import NeighborGraph

from ..stage_summaries import MiningSummary
from .edge_selection import Candidates, edges_to_quota, select_edges, trim
from .replication import reliable_prefix
from .rows import Rows, Views


class BaseMiner(BaseModule, metaclass=ABCMeta):
    """Answers, once a round: which samples are positives of each sample?

    A miner proposes scored pairs; the quota, the degree cap and the mutual
    check are the same for all, so two miners are compared at equal numbers of
    edges.

    Args:
        max_degree (int, optional): Cap on the neighbours of a sample. The
            released code has none, and builds hubs.
        mutual (bool): Keep only pairs proposed from both ends.
        min_replication (float, optional): The gate. Of the new edges only so
            many are added, best first, that other views than those they were
            mined from find them again this often on average, in (0, 1]; see
            :func:`edge_replication`. None adds all that the quota asks for,
            as the released code does.
        reselect (bool): Choose all edges anew in every round, so that a wrong
            one can leave; the released code only ever adds.
            Defaults to False.

    Attributes:
        feat_dim: D that the miner's networks are made for; None if any.
        min_views: Views of every sample that mining needs.

    Raises:
        ValueError: If ``max_degree`` is smaller than 1, or
            ``min_replication`` out of range.
    """

    feat_dim: int | None = None

    def __init__(
        self,
        max_degree: int | None = None,
        *,
        mutual: bool = False,
        min_replication: float | None = None,
        reselect: bool = False,
    ) -> None:
        super().__init__()
        if max_degree is not None and max_degree < 1:
            raise ValueError(f'max_degree must be >= 1, got {max_degree}')
        if min_replication is not None and not 0 < min_replication <= 1:
            raise ValueError(
                'min_replication must lie in (0, 1], or be None for no gate, '
                f'got {min_replication}'
            )
        self.max_degree = max_degree
        self.mutual = mutual
        self.min_replication = min_replication
        self.min_views = 1 if min_replication is None else 2
        self.reselect = reselect

    def check_inputs(self, num_samples: int) -> None:
        """Look for what a miner needs beside features, before training.

        Args:
            num_samples (int): N, of the training set.

        Raises:
            FileNotFoundError: If a file is missing.
            ValueError: If it does not go with the training set.
        """

    @abstractmethod
    def propose(
        self, views: Views, bank: Rows, graph: NeighborGraph, seed: int
    ) -> tuple[Candidates, dict[str, float]]:
        """Propose pairs; each rank those of its share of the samples.

        Args:
            views (Views): V augmented views of every sample, (N, D) float,
                norm 1, encoded by the frozen encoder; a tensor (V, N, D),
                or one :class:`ShardedRows` each.
            bank (Rows): (N, D) float, norm 1. What ranks share is asked for
                in collective calls, so all ranks take the same steps.
            graph (NeighborGraph): Over the same samples.
            seed (int): Of everything random in this stage.

        Returns:
            tuple[Candidates, dict[str, float]]: Proposals of this rank, and
            numbers worth logging, the same on all ranks.
        """

    def mine(
        self,
        views: Views,
        bank: Rows,
        graph: NeighborGraph,
        quota: float,
        *,
        seed: int,
    ) -> MiningSummary:
        """Add edges until the graph holds ``quota`` neighbours per sample.

        Surplus candidates are dropped in order of falling confidence, so the
        quota is met exactly unless there are too few candidates, or the gate
        refuses some.

        Args:
            views (Views): V of (N, D) float, norm 1.
            bank (Rows): (N, D) float, norm 1.
            graph (NeighborGraph): Changed in place, equally on all ranks.
            quota (float): Mean neighbours per sample, existing edges
                included.
            seed (int): Of everything random in this stage.

        Returns:
            MiningSummary: What was proposed, asked for and inserted.

        Raises:
            ValueError: If there is no view, shapes disagree, or features
                are not finite.
        """
        if not len(views):
            raise ValueError(
                'a miner needs at least one view of every sample; set '
                'train_cfg.mining.num_views >= 1'
            )
        shapes = {tuple(view.shape) for view in views}
        if shapes != {tuple(bank.shape)} or graph.num_samples != len(bank):
            raise ValueError(
                f'views {sorted(shapes)}, bank {tuple(bank.shape)} and '
                f'graph ({graph.num_samples} samples) must share N and D'
            )
        if not all([all_finite(view) for view in views]):
            raise ValueError(
                'views hold NaN or infinite features, so nothing can be '
                'mined from them; lower the learning rate of the encoder'
            )
        start = time.perf_counter()
        if self.reselect:
            graph.clear()
        candidates, observations = self.propose(views, bank, graph, seed)
        num_candidates = torch.tensor(len(candidates), device=bank.device)
        all_reduce(num_candidates)
        num_requested = edges_to_quota(graph, quota)
        candidates = trim(
            candidates,
            graph,
            quota,
            max_degree=self.max_degree,
            mutual=self.mutual,
        )
        chosen = select_edges(
            candidates.gather(),
            graph,
            quota,
            max_degree=self.max_degree,
            mutual=self.mutual,
        )
        # Devices may break ties of the last bit differently.
        chosen = _from_main_rank(chosen)
        num_chosen = len(chosen)
        replication = None
        if num_chosen and (len(views) > 1 or self.min_replication):
            chosen, replication = self._gate(views, chosen)
        return MiningSummary(
            num_candidates=int(num_candidates),
            num_requested=num_requested,
            num_accepted=graph.add_edges(chosen.src, chosen.dst),
            num_refused=num_chosen - len(chosen),
            replication=replication,
            seconds=time.perf_counter() - start,
            rows=bank,
            accepted=chosen,
            observations=observations,
        )

    def _gate(
        self, views: Views, chosen: Candidates
    ) -> tuple[Candidates, float]:
        """Edges that are found again often enough, and how often."""
        num_edges, replication = reliable_prefix(
            views, chosen.src, chosen.dst, self.min_replication or 0
        )
        kept = Candidates(
            chosen.src[:num_edges],
            chosen.dst[:num_edges],
            chosen.score[:num_edges],
        )
        return kept, replication


def build_miner(cfg: dict, feat_dim: int) -> BaseMiner:
    """Build a miner for features of a known size.

    Args:
        cfg (dict): Of the miner.
        feat_dim (int): D of the memory bank.

    Raises:
        ValueError: If the miner's networks are made for another size.
    """
    miner = MODELS.build(cfg)
    if miner.feat_dim not in (None, feat_dim):
        raise ValueError(
            f'model.miner.feat_dim ({miner.feat_dim}) must equal '
            f'model.memory.feat_dim ({feat_dim})'
        )
    return miner


def _from_main_rank(chosen: Candidates) -> Candidates:
    """Rank 0's edges, on every rank."""
    if get_world_size() == 1:
        return chosen
    src, score = chosen.src, chosen.score
    count = torch.tensor(len(chosen), device=src.device)
    broadcast(count)
    edges, scores = src.new_empty(2, int(count)), score.new_empty(int(count))
    if is_main_process():
        edges, scores = torch.stack([src, chosen.dst]), score
    broadcast(edges)
    broadcast(scores)
    return Candidates(edges[0], edges[1], scores)


def check_topk(topk: int) -> int:
    """Return ``topk`` if it is a number of neighbours.

    Raises:
        ValueError: If ``topk`` is smaller than 1.
    """
    if topk < 1:
        raise ValueError(f'topk must be >= 1, got {topk}')
    return topk


def check_search(search: str, allowed: Sequence[str]) -> str:
    """Return ``search`` if it is a backend that the miner can use.

    Raises:
        ValueError: If it is not.
    """
    if search not in allowed:
        raise ValueError(
            f'search must be one of {", ".join(allowed)}, got {search!r}'
        )
    return search
