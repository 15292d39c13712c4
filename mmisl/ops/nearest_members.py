"""The most similar members of each sample's own clusters."""

from __future__ import annotations

import torch
from mmengine.dist import all_reduce, get_rank, get_world_size
from torch import Tensor

from .nearest_rows import nearest_rows
from .sharded_rows import ShardedRows


@torch.no_grad()
def nearest_members(
    feats: Tensor | ShardedRows, assignments: Tensor, k: int
) -> tuple[Tensor, Tensor]:
    """Find who is most similar to a sample among those it shares a cluster of.

    These are the first of Local Aggregation's close neighbours: its
    background, the 4,096 most similar of all samples, would leave out a
    member only if so many others came before it. Clusters are dealt out over
    the ranks; all call this together.

    Args:
        feats (Tensor | ShardedRows): (N, D) float, norm 1, the same samples
            on all ranks.
        assignments (Tensor): (H, N) integer, cluster of every sample in each
            of H clusterings.
        k (int): Members wanted, >= 1.

    Returns:
        tuple[Tensor, Tensor]: (N, k) float32 similarities, falling, minus
        infinity where a sample has fewer fellows; (N, k) int64 members, -1
        there. The same on all ranks.

    Raises:
        ValueError: If ``assignments`` and ``feats`` disagree on N, or ``k``
            is smaller than 1.
    """
    if assignments.dim() != 2 or assignments.shape[1] != len(feats):
        raise ValueError(
            f'assignments must be (H, {len(feats)}), one cluster of every '
            f'row of feats, got {tuple(assignments.shape)}'
        )
    if k < 1:
        raise ValueError(f'k must be >= 1, got {k}')
    shape = (len(feats), k)
    best = torch.full(shape, -torch.inf, device=feats.device)
    member = torch.full(shape, -1, dtype=torch.int64, device=feats.device)
    for assignment in assignments.to(feats.device, torch.int64):
        found = _of_one_clustering(feats, assignment, k)
        best, member = _merge((best, member), found)
    return best, member


def _of_one_clustering(
    feats: Tensor | ShardedRows, assignment: Tensor, k: int
) -> tuple[Tensor, Tensor]:
    """Similarities and members, (N, k), within the clusters of one k-means."""
    # Zeros in the rows of other ranks, so that a sum puts them together.
    best = torch.zeros(len(assignment), k, device=feats.device)
    member = torch.zeros_like(best, dtype=torch.int64)
    count = torch.bincount(assignment)
    groups = assignment.argsort(stable=True).split(count.tolist())
    # All ranks take equally many steps: rows of shards travel in each.
    for first in range(0, len(groups), get_world_size()):
        place = first + get_rank()
        rows = groups[place] if place < len(groups) else assignment[:0]
        own = feats[rows].float()
        if not len(rows):
            continue
        similarity, position = nearest_rows(
            own, own, k, exclude=torch.arange(len(own), device=own.device)
        )
        width = similarity.shape[1]
        best[rows, :width], best[rows, width:] = similarity, -torch.inf
        member[rows, :width], member[rows, width:] = rows[position], -1
    all_reduce(best)
    all_reduce(member)
    return best, member


def _merge(
    one: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """The k best of two lists of k, a member of both once."""
    k = one[0].shape[1]
    similarity = torch.cat([one[0], other[0]], 1)
    member, order = torch.cat([one[1], other[1]], 1).sort(dim=1, stable=True)
    similarity = similarity.gather(1, order)
    # The two similarities of one pair were summed alike, so either will do.
    repeated = torch.zeros_like(member, dtype=torch.bool)
    repeated[:, 1:] = member[:, 1:] == member[:, :-1]
    similarity = similarity.masked_fill(repeated, -torch.inf)
    member = member.masked_fill(repeated, -1)
    similarity, order = similarity.sort(dim=1, descending=True, stable=True)
    return similarity[:, :k], member.gather(1, order)[:, :k]
