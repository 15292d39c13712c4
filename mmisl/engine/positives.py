"""The positives that hold after a stage, brought to the host."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from mmengine.dist import all_reduce, get_rank, get_world_size
from torch import Tensor

from mmisl.ops import (
    ShardedRows,
    nearest_members,
    nearest_rows,
    share_queries,
)
from mmisl.structures import MiningSnapshot, NeighborGraph, ScoredEdges

# Pairs whose features are looked up at a time.
_CHUNK_PAIRS = 2**18
_CHUNK_QUERIES = 4096

Rows = Tensor | ShardedRows


def graph_edges(
    graph: NeighborGraph,
    rows: Rows,
    accepted,
    *,
    round_idx: int,
    earlier: MiningSnapshot | None,
) -> ScoredEdges:
    """Edges of a mined graph.

    Args:
        graph (NeighborGraph): After the mining.
        rows (Rows): (N, D) float, norm 1.
        accepted: Edges that this mining added, with ``src < dst`` and
            ``score``.
        round_idx (int): Of the mining.
        earlier (MiningSnapshot, optional): The last one before, from which
            the other edges have score and age.

    Returns:
        ScoredEdges: Ascending by ``src``, then ``dst``; the same on all
        ranks, except that only a rank that is given ``earlier`` knows scores
        of earlier rounds.
    """
    num_samples = graph.num_samples
    src = torch.repeat_interleave(graph.degrees)
    dst = graph.indices.long()
    upper = src < dst
    src, dst = src[upper], dst[upper]
    host_src, host_dst = src.int().cpu().numpy(), dst.int().cpu().numpy()
    keys = _keys(host_src, host_dst, num_samples)
    score = np.full(len(keys), np.nan, dtype=np.float32)
    # An edge of which nothing is known is as old as can be: the snapshot
    # before has all that were there.
    oldest = 0 if earlier is None else earlier.round + 1
    added = np.full(len(keys), oldest, dtype=np.uint16)
    if earlier is not None:
        old = earlier.edges
        known = _keys(old.src, old.dst, num_samples)
        _fill(score, keys, known, old.score)
        _fill(added, keys, known, old.added)
    new = _keys(
        accepted.src.cpu().numpy(), accepted.dst.cpu().numpy(), num_samples
    )
    _fill(score, keys, new, accepted.score.float().cpu().numpy())
    _fill(added, keys, new, np.uint16(round_idx))
    return ScoredEdges(
        num_samples=num_samples,
        src=host_src,
        dst=host_dst,
        score=score,
        cosine=pair_cosine(rows, src, dst).cpu().numpy(),
        added=added,
        directed=False,
    )


def plain_edges(rows: Rows, chosen) -> ScoredEdges:
    """Undirected pairs chosen by cosine, ascending by ``src``.

    Args:
        rows (Rows): (N, D) float, norm 1.
        chosen: ``src < dst`` and ``score``, the cosine.
    """
    order = (chosen.src * len(rows) + chosen.dst).argsort()
    cosine = chosen.score[order].float().cpu().numpy()
    return ScoredEdges(
        num_samples=len(rows),
        src=chosen.src[order].int().cpu().numpy(),
        dst=chosen.dst[order].int().cpu().numpy(),
        score=cosine,
        cosine=cosine,
        added=np.zeros(len(cosine), dtype=np.uint16),
        directed=False,
    )


def member_edges(
    rows: Rows, assignments: Tensor, num_neighbors: int, *, round_idx: int
) -> ScoredEdges:
    """The nearest members of every sample's clusters.

    Args:
        rows (Rows): (N, D) float, norm 1, what was clustered.
        assignments (Tensor): (H, N), cluster of every sample.
        num_neighbors (int): Members of each.
        round_idx (int): Of the clustering.

    Returns:
        ScoredEdges: Directed; the score is the share of the clusterings that
        put the two together.
    """
    similarity, member = nearest_members(rows, assignments, num_neighbors)

    def votes(src: Tensor, dst: Tensor) -> Tensor:
        together = assignments[:, src] == assignments[:, dst]
        return together.float().mean(0)

    return _lists(similarity, member, votes, round_idx)


def nearest_edges(
    rows: Rows, num_neighbors: int, *, round_idx: int
) -> ScoredEdges:
    """The nearest rows of every sample, whatever its clusters.

    Args:
        rows (Rows): (N, D) float, norm 1.
        num_neighbors (int): Rows of each.
        round_idx (int): Of the stage they stand beside.

    Returns:
        ScoredEdges: Directed.
    """
    columns = min(num_neighbors, len(rows) - 1)
    # Zeros in the rows of other ranks, so that a sum puts them together.
    similarity = torch.zeros(len(rows), columns, device=rows.device)
    row = torch.zeros_like(similarity, dtype=torch.int64)
    samples = torch.arange(len(rows), device=rows.device)
    # Equally many steps on all ranks; the last chunks may be empty.
    for first in range(0, len(rows), _CHUNK_QUERIES * get_world_size()):
        begin = first + get_rank() * _CHUNK_QUERIES
        own = samples[begin : begin + _CHUNK_QUERIES]
        similarity[own], row[own] = nearest_rows(
            rows[own].float(), rows, columns, exclude=own
        )
    all_reduce(similarity)
    all_reduce(row)
    return _lists(
        similarity,
        row,
        lambda src, dst: torch.full(src.shape, torch.nan),
        round_idx,
    )


def pair_cosine(rows: Rows, src: Tensor, dst: Tensor) -> Tensor:
    """Cosine of pairs, (E,) float32, summed in float64.

    Args:
        rows (Rows): (N, D) float, norm 1.
        src (Tensor): (E,) int64, the same on all ranks.
        dst (Tensor): (E,) int64, the same on all ranks.
    """
    rows = share_queries(rows)
    parts = [
        (rows[one].double() * rows[other].double()).sum(1).float()
        for one, other in zip(src.split(_CHUNK_PAIRS), dst.split(_CHUNK_PAIRS))
    ]
    return torch.cat(parts) if parts else torch.zeros(0)


def _keys(src: np.ndarray, dst: np.ndarray, num_samples: int) -> np.ndarray:
    """One number a pair."""
    return src.astype(np.int64) * num_samples + dst


def _fill(target: np.ndarray, keys, pairs: np.ndarray, values) -> None:
    """Write the values of some pairs where ``keys``, ascending, has them."""
    place = np.searchsorted(keys, pairs)
    place[place == len(keys)] = 0
    if len(keys):
        found = keys[place] == pairs
        target[place[found]] = np.broadcast_to(values, pairs.shape)[found]


def _lists(
    similarity: Tensor,
    member: Tensor,
    scorer: Callable[[Tensor, Tensor], Tensor],
    round_idx: int,
) -> ScoredEdges:
    """Lists (N, k) as directed pairs, without the places that are empty."""
    src, slot = (member >= 0).nonzero(as_tuple=True)
    dst = member[src, slot]
    return ScoredEdges(
        num_samples=len(member),
        src=src.int().cpu().numpy(),
        dst=dst.int().cpu().numpy(),
        score=scorer(src, dst).float().cpu().numpy(),
        cosine=similarity[src, slot].float().cpu().numpy(),
        added=np.full(len(src), round_idx, dtype=np.uint16),
        directed=True,
    )
