"""From scored candidate pairs to the edges of a round."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from mmengine.dist import all_gather, get_world_size
from torch import Tensor

from mmisl.structures import NeighborGraph

# Proposals ranked at a time by ``trim``.
_PART = 2**23
# Relative error of a quota, far above that of a few products of floats and
# far below one edge of any graph that fits in memory.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Candidates:
    """Directed proposals ``src -> dst``.

    Attributes:
        src: (M,) int64 or int32, the sample that proposes.
        dst: (M,) int64 or int32, the proposed neighbour.
        score: (M,) float64, higher is better.
    """

    src: Tensor
    dst: Tensor
    score: Tensor

    def __len__(self) -> int:
        return len(self.src)

    def split(self, size: int) -> Iterator[Candidates]:
        """Parts of at most ``size`` proposals; at least one, maybe empty."""
        for parts in zip(
            self.src.split(size), self.dst.split(size), self.score.split(size)
        ):
            yield Candidates(*parts)

    @staticmethod
    def cat(parts: list[Candidates]) -> Candidates:
        """Join several sets of proposals."""
        return Candidates(
            torch.cat([part.src for part in parts]),
            torch.cat([part.dst for part in parts]),
            torch.cat([part.score for part in parts]),
        )

    def gather(self) -> Candidates:
        """Proposals of all ranks, in the same order on every rank."""
        if get_world_size() == 1:
            return self
        return Candidates(
            _gather_rows(self.src),
            _gather_rows(self.dst),
            _gather_rows(self.score),
        )


def _gather_rows(values: Tensor) -> Tensor:
    """Concatenate (M_r,) tensors of unequal length over the ranks."""
    sizes = torch.cat(all_gather(values.new_tensor([len(values)]).long()))
    padded = values.new_zeros(int(sizes.max()))
    padded[: len(values)] = values
    parts = all_gather(padded)
    return torch.cat([part[:size] for part, size in zip(parts, sizes)])


def edge_quota(quota: float, num_samples: int) -> int:
    """Undirected edges that give ``quota`` neighbours per sample.

    Rounded down, but for what the float has lost: 0.58 neighbours of 100
    samples are 29 edges.
    """
    return int(quota * num_samples / 2 * (1 + _ROUNDING))


def edges_to_quota(graph: NeighborGraph, quota: float) -> int:
    """Undirected edges that the graph still lacks, at least 0."""
    return max(edge_quota(quota, graph.num_samples) - graph.num_edges, 0)


def select_edges(
    candidates: Candidates,
    graph: NeighborGraph,
    quota: float,
    *,
    max_degree: int | None = None,
    mutual: bool = False,
) -> Candidates:
    """Choose the best new edges until the graph would hold its quota.

    Greedy by falling score, equal scores by the smaller pair of indices. A
    pair proposed from both ends counts once, with its better score.

    Args:
        candidates (Candidates): Proposals, the same on all ranks.
        graph (NeighborGraph): Not changed here.
        quota (float): Mean neighbours per sample to reach, existing edges
            included.
        max_degree (int, optional): No sample gets more neighbours than this.
        mutual (bool): Keep only pairs proposed from both ends.

    Returns:
        Candidates: ``src < dst``, (E',) int64 each, best first.
    """
    src, dst, score = _best_first(candidates, graph, mutual)
    if max_degree is not None:
        keep = _greedy_degree_cap(src, dst, graph.degrees, max_degree)
        src, dst, score = src[keep], dst[keep], score[keep]
    room = edges_to_quota(graph, quota)
    return Candidates(src[:room], dst[:room], score[:room])


def trim(
    candidates: Candidates,
    graph: NeighborGraph,
    quota: float,
    *,
    max_degree: int | None = None,
    mutual: bool = False,
) -> Candidates:
    """Drop proposals that :func:`select_edges` cannot choose.

    What the ranks keep, gathered, gives the same edges as all their proposals
    gathered. With ``room`` the edges that the graph lacks:

    - Without a cap the ``room`` best pairs are chosen. A pair that is ahead
      of another here is ahead of it among all proposals too, because other
      proposals can only better its score. So what is chosen is among the
      ``room`` best of the rank that proposes it with its best score.
    - With a cap, let a walk over the pairs of this rank alone have accepted
      ``2 * room``. The walk over all pairs, at the same score, has accepted
      as many as fit among a superset of those pairs: a maximal set under
      degree limits, hence at least half of any other such set (each edge of
      that one is in it or ends at a full sample, and a full sample answers
      for no more edges than it holds). That is ``room``: whatever follows
      comes too late.
    - A mutual pair may have its two ends on two ranks, so nothing is dropped.

    Args:
        candidates (Candidates): Proposals of this rank.
        graph (NeighborGraph): As it will be when edges are selected.
        quota (float): As for :func:`select_edges`.
        max_degree (int, optional): As for :func:`select_edges`.
        mutual (bool): As for :func:`select_edges`.

    Returns:
        Candidates: With ``src < dst``, at most ``room`` without a cap; the
        proposals themselves if ``mutual``.
    """
    if mutual:
        return candidates
    room = edges_to_quota(graph, quota)
    kept: Candidates | None = None
    for part in candidates.split(max(_PART, 2 * room)):
        both = part if kept is None else Candidates.cat([kept, part])
        src, dst, score = _best_first(both, graph, mutual)
        end = room
        if max_degree is not None:
            accepted = _greedy_degree_cap(src, dst, graph.degrees, max_degree)
            # All of them, or up to the one that makes it 2 * room.
            end = len(src)
            if len(accepted) > 2 * room:
                end = int(accepted[2 * room])
        kept = Candidates(src[:end], dst[:end], score[:end])
    assert kept is not None, 'there is at least one part'
    return kept


def _best_first(
    candidates: Candidates, graph: NeighborGraph, mutual: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Unique pairs ``src < dst`` that are no edges yet, by falling score."""
    src, dst, score = undirected(candidates, graph.num_samples, mutual)
    fresh = ~graph.contains(src, dst)
    src, dst, score = src[fresh], dst[fresh], score[fresh]
    # The pairs ascend by index, so a stable sort breaks ties that way.
    order = torch.argsort(score, descending=True, stable=True)
    return src[order], dst[order], score[order]


def undirected(
    candidates: Candidates, num_samples: int, mutual: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Unique pairs ``src < dst``, ascending, each with its best score."""
    keep = candidates.src != candidates.dst
    src, dst = candidates.src[keep].long(), candidates.dst[keep].long()
    low, high = torch.minimum(src, dst), torch.maximum(src, dst)
    keys, inverse = torch.unique(low * num_samples + high, return_inverse=True)
    score = candidates.score.new_full((len(keys),), -torch.inf)
    score.scatter_reduce_(0, inverse, candidates.score[keep], 'amax')
    low = torch.div(keys, num_samples, rounding_mode='floor')
    high = keys - low * num_samples
    if mutual:
        ends = torch.zeros(len(keys), 2, dtype=torch.bool, device=keys.device)
        ends[inverse, (src > dst).long()] = True
        both = ends.all(1)
        low, high, score = low[both], high[both], score[both]
    return low, high, score


def _greedy_degree_cap(
    src: Tensor, dst: Tensor, degrees: Tensor, max_degree: int
) -> Tensor:
    """Positions that a greedy walk in the given order would accept.

    Walks in parallel: an edge is safe once its end points have room even if
    every better edge still undecided is accepted; it is out once an end
    point is full. The best undecided edge is always decided, so this ends,
    and it equals the walk edge by edge.

    Returns:
        Tensor: Accepted positions, ascending.
    """
    degrees = degrees.clone()
    undecided = torch.arange(len(src), device=src.device)
    accepted = []
    while len(undecided):
        ends = torch.cat([src[undecided], dst[undecided]])
        ahead = _occurrences_before(ends).view(2, -1)
        room = (max_degree - degrees[ends]).view(2, -1)
        safe = (ahead < room).all(0)
        full = (room <= 0).any(0)
        accepted.append(undecided[safe])
        taken = ends.view(2, -1)[:, safe].flatten()
        degrees += torch.bincount(taken, minlength=len(degrees))
        undecided = undecided[~safe & ~full]
    if not accepted:
        return undecided
    return torch.cat(accepted).sort().values


def _occurrences_before(ends: Tensor) -> Tensor:
    """How often each end point occurs in better edges.

    Args:
        ends (Tensor): (2M,) int64, the M sources, then the M destinations, of
            edges in order of preference.

    Returns:
        Tensor: (2M,) int64.
    """
    num_edges = len(ends) // 2
    rank = torch.arange(num_edges, device=ends.device).repeat(2)
    order = torch.argsort(ends * num_edges + rank)
    grouped = ends[order]
    _, count = torch.unique_consecutive(grouped, return_counts=True)
    first = torch.repeat_interleave(count.cumsum(0) - count, count)
    before = torch.empty_like(ends)
    before[order] = torch.arange(len(ends), device=ends.device) - first
    return before
