"""The most similar members of each sample's own clusters."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from mmengine.dist import all_reduce, get_rank, get_world_size
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from .nearest_rows import nearest_rows
from .sharded_rows import ShardedRows

# Products held at a time, in double precision: 32 MiB.
_PRODUCTS = 2**22


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
    for rows in _own_batches(assignment):
        own = feats[rows.clamp(min=0).flatten()]
        own = own.view(*rows.shape, feats.shape[1])
        if not len(rows):
            continue
        similarity, fellow = _nearest_in_clusters(own, rows, k)
        real = rows >= 0
        best[rows[real]] = similarity[real]
        member[rows[real]] = fellow[real]
    all_reduce(best)
    all_reduce(member)
    return best, member


def _own_batches(assignment: Tensor) -> Iterator[Tensor]:
    """Clusters of this rank, several of about one size at a time.

    All ranks take equally many steps, because rows of shards travel in each;
    the last batch of a rank may be empty.

    Args:
        assignment (Tensor): (N,) int64, cluster of every sample.

    Yields:
        Tensor: (b, m) int64, members of b clusters, ascending, padded with
        -1.
    """
    count = torch.bincount(assignment)
    groups = assignment.argsort(stable=True).split(count[count > 0].tolist())
    groups = sorted(groups, key=len, reverse=True)
    first = 0
    while first < len(groups):
        largest = len(groups[first])
        num = max(1, _PRODUCTS // largest**2)
        chunk = groups[first : first + num * get_world_size()]
        own = chunk[get_rank() :: get_world_size()]
        first += len(chunk)
        if own:
            yield pad_sequence(own, batch_first=True, padding_value=-1)
        else:
            yield assignment.new_empty(0, largest)


def _nearest_in_clusters(
    feats: Tensor, rows: Tensor, k: int
) -> tuple[Tensor, Tensor]:
    """Nearest fellows of every member of some clusters.

    Args:
        feats (Tensor): (b, m, D) float, of ``rows``; anything at the padding.
        rows (Tensor): (b, m) int64, ascending, padded with -1.
        k (int): Fellows wanted.

    Returns:
        tuple[Tensor, Tensor]: (b, m, k) float32 similarities and (b, m, k)
        int64 samples; minus infinity and -1 where there are too few.
    """
    shape = (*rows.shape, k)
    best = torch.full(shape, -torch.inf, device=feats.device)
    member = torch.full(shape, -1, dtype=torch.int64, device=feats.device)
    width = min(k, rows.shape[1] - 1)
    if width == 0:
        return best, member
    if rows.shape[1] ** 2 > _PRODUCTS:  # one cluster, by the block
        own = feats[0].float()
        places = torch.arange(len(own), device=own.device)
        similarity, place = nearest_rows(own, own, k, exclude=places)
        best[0, :, :width], member[0, :, :width] = similarity, rows[0][place]
        return best, member
    wide = feats.double()
    products = wide @ wide.transpose(1, 2)  # (b, m, m)
    products.masked_fill_((rows < 0).unsqueeze(1), -torch.inf)
    products.diagonal(dim1=1, dim2=2).fill_(-torch.inf)
    # Stable, and samples ascend: of equal ones the smaller comes first.
    similarity, place = products.float().sort(
        dim=2, descending=True, stable=True
    )
    similarity, place = similarity[..., :width], place[..., :width]
    fellow = rows.unsqueeze(1).expand_as(products).gather(2, place)
    best[..., :width] = similarity
    member[..., :width] = fellow.masked_fill(similarity.isneginf(), -1)
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
