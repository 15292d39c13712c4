"""What every miner shares."""

from __future__ import annotations

import time
from abc import ABCMeta, abstractmethod
from collections.abc import Iterator, Sequence

import torch
from mmengine.dist import (
    all_reduce,
    broadcast,
    get_rank,
    get_world_size,
    is_main_process,
)
from mmengine.model import BaseModule
from torch import Tensor

from mmisl.ops import ShardedRows, all_finite
from mmisl.progress import track
from mmisl.registry import MODELS
from mmisl.structures import NeighborGraph

from ..stage_summaries import MiningSummary
from .edge_selection import Candidates, edges_to_quota, select_edges, trim

# A matrix of one row per sample, on every rank or dealt out over them.
Rows = Tensor | ShardedRows
# Several of them; a tensor (V, N, D) is one as well.
Views = Tensor | Sequence[Rows]


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
        self, views: Views, bank: Rows, graph: NeighborGraph, seed: int
    ) -> tuple[Candidates, dict[str, float]]:
        """Propose pairs; each rank those of its share of the samples.

        Args:
            views (Views): V augmented views of every sample, (N, D) float,
                norm 1, encoded by the frozen encoder; a tensor (V, N, D),
                or one :class:`ShardedRows` each.
            bank (Rows): (N, D) float, norm 1. What ranks share is asked for
                in collective calls, so all ranks take the same steps.
            graph (NeighborGraph): Over the same samples; a miner that chooses
                its edges anew every round clears it here.
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
        quota is met exactly unless there are too few candidates.

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
        return MiningSummary(
            num_candidates=int(num_candidates),
            num_requested=num_requested,
            num_accepted=graph.add_edges(chosen.src, chosen.dst),
            seconds=time.perf_counter() - start,
            rows=bank,
            accepted=chosen,
            observations=observations,
        )


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


def mean_view(views: Views) -> Rows:
    """Mean of the views of every sample, (N, D), norm 1; half is widened."""
    shards = [view for view in views if isinstance(view, ShardedRows)]
    if shards:
        mean = unit_mean([view.local for view in shards])
        return ShardedRows(mean, len(shards[0]))
    return unit_mean([view for view in views if isinstance(view, Tensor)])


def unit_mean(views: Sequence[Tensor]) -> Tensor:
    """Mean of V tensors (M, D), norm 1; half is widened."""
    first = views[0]
    dtype = torch.promote_types(first.dtype, torch.float32)
    total = torch.zeros_like(first, dtype=dtype)
    for view in views:
        total += view
    return torch.nn.functional.normalize(total / len(views), dim=-1)


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


def own_chunks(
    num_samples: int,
    chunk_rows: int,
    device: torch.device,
    *,
    description: str,
) -> Iterator[tuple[int, Tensor]]:
    """Share the samples out over the ranks, by the chunk.

    All ranks take equally many steps, because what is done with a chunk may
    need all of them; the last chunk of a rank may be empty.

    Args:
        num_samples (int): N.
        chunk_rows (int): Samples of a chunk.
        device (torch.device): Of the sample indices.
        description (str): Of what is done with them, for the progress bar.

    Yields:
        tuple[int, Tensor]: Number of the chunk, the same for any number of
        ranks, and its samples, (B,) int64.
    """
    step = chunk_rows * get_world_size()
    for begin in track(range(0, num_samples, step), description):
        begin = min(begin + get_rank() * chunk_rows, num_samples)
        end = min(begin + chunk_rows, num_samples)
        yield begin // chunk_rows, torch.arange(begin, end, device=device)


def gather_rows(rows: Tensor, values: Tensor, num_samples: int) -> Tensor:
    """Put together what the ranks found for their own samples.

    Args:
        rows (Tensor): (M,) int64, samples of this rank; each has one rank.
        values (Tensor): (M, ...) numbers of them.
        num_samples (int): N.

    Returns:
        Tensor: (N, ...) on every rank.
    """
    table = values.new_zeros(num_samples, *values.shape[1:])
    table[rows] = values
    all_reduce(table)  # exact: all but one of the terms are 0
    return table
