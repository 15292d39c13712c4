"""Weighted k-nearest-neighbour classification of frozen features."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import normalize

from mmisl.ops import ShardedRows, all_finite, nearest_rows

# Rank of a class that no neighbour voted for: behind every top-k.
NO_VOTE = torch.iinfo(torch.int64).max


def knn_votes(
    queries: Tensor,
    gallery: Tensor | ShardedRows,
    labels: Tensor,
    *,
    num_classes: int,
    k: int = 200,
    temperature: float = 0.1,
    chunk_size: int = 1024,
    gallery_chunk_size: int = 16384,
) -> Tensor:
    r"""Let the nearest gallery rows of every query vote for their class.

    .. math::
        votes_c = \sum_{j \in kNN, y_j = c}
                  \exp((\cos_j - \max_i \cos_i) / T)

    Taking off the largest cosine scales all votes of a query alike, so it
    changes no decision, and keeps the exponential finite at any temperature.
    At most ``chunk_size * gallery_chunk_size`` similarities exist at a time,
    beside one copy of the gallery in float32.

    Source: official code, ``test.py``, whose weight is ``exp(cos / T)``.

    Args:
        queries (Tensor): (Q, D) float, any length, on any device.
        gallery (Tensor | ShardedRows): (M, D) float, any length, where the
            work is done; with shards by all ranks together.
        labels (Tensor): (M,) int64 in [0, num_classes), of the gallery.
        num_classes (int): C.
        k (int): Voters per query; all M where the gallery is smaller.
            Defaults to 200.
        temperature (float): T > 0. Defaults to 0.1.
        chunk_size (int): Queries at a time. Defaults to 1024.
        gallery_chunk_size (int): Gallery rows at a time. Defaults to 16384.

    Returns:
        Tensor: (Q, C) float32, on the gallery's device. A class has 0 votes
        only if none of the k neighbours belongs to it.

    Raises:
        ValueError: If shapes disagree, the gallery is empty, a number is out
            of range, or a feature is NaN or infinite.
    """
    _check_inputs(queries, gallery, labels=labels, num_classes=num_classes)
    for name, number in (('k', k), ('temperature', temperature)):
        if not number > 0:
            raise ValueError(f'{name} must be greater than 0, got {number}')
    # Both asked in any case: with shards the second is a collective call.
    if not all([all_finite(gallery), all_finite(queries)]):
        raise ValueError(_not_finite_message(queries, gallery))
    labels = labels.to(gallery.device)
    if isinstance(gallery, ShardedRows):
        rows: Tensor | ShardedRows = gallery.map(_unit)
    else:
        rows = _unit(gallery)
    # A single call, which with shards every rank makes once.
    similarity, nearest = nearest_rows(
        _unit(queries.to(gallery.device)),
        rows,
        k,
        block_queries=chunk_size,
        block_rows=gallery_chunk_size,
    )  # (Q, k) each
    weights = ((similarity - similarity[:, :1]) / temperature).exp()
    # A vote may be small, but it must not round to none.
    weights = weights.clamp_min(torch.finfo(weights.dtype).tiny)
    votes = torch.zeros(len(queries), num_classes, device=gallery.device)
    return votes.scatter_add_(1, labels[nearest], weights)


def vote_ranks(votes: Tensor, labels: Tensor) -> Tensor:
    """Rank of the true class among the votes, 0 for the winner.

    Equal votes rank in order of the class number, so the result does not
    depend on how a sort breaks ties. A class without any vote is never right,
    not even where fewer than five classes exist.

    Args:
        votes (Tensor): (Q, C) float, at least 0.
        labels (Tensor): (Q,) int64 in [0, C).

    Returns:
        Tensor: (Q,) int64; ``NO_VOTE`` where the true class has no vote.
    """
    labels = labels.to(votes.device)
    own = votes.gather(1, labels[:, None])  # (Q, 1)
    classes = torch.arange(votes.size(1), device=votes.device)
    ahead = (votes > own) | ((votes == own) & (classes < labels[:, None]))
    return ahead.sum(1).masked_fill(own[:, 0] == 0, NO_VOTE)


def knn_accuracy(
    queries: Tensor,
    gallery: Tensor | ShardedRows,
    *,
    query_labels: Tensor,
    gallery_labels: Tensor,
    k: int = 200,
    temperature: float = 0.1,
    topk: Sequence[int] = (1, 5),
    chunk_size: int = 1024,
) -> dict[str, float]:
    """Classify every query by its neighbours and count what is right.

    Args:
        queries (Tensor): (Q, D) float.
        gallery (Tensor): (M, D) float.
        query_labels (Tensor): (Q,) int64. A class that the gallery lacks is
            never right.
        gallery_labels (Tensor): (M,) int64.
        k (int): Voters per query, at most M. Defaults to 200.
        temperature (float): T > 0. Defaults to 0.1.
        topk (Sequence[int]): The true class must be among the first so many
            by votes; more than C means all C. Defaults to (1, 5).
        chunk_size (int): Queries at a time. Defaults to 1024.

    Returns:
        dict[str, float]: ``top1``, ``top5`` in percent.

    Raises:
        ValueError: If there is no query, the labels are not one per query,
            or :func:`knn_votes` refuses the features.
    """
    if not len(queries) or query_labels.shape != queries.shape[:1]:
        raise ValueError(
            'query_labels must hold one label per query and at least one, '
            f'got {tuple(query_labels.shape)} labels for queries of shape '
            f'{tuple(queries.shape)}'
        )
    votes = knn_votes(
        queries,
        gallery,
        gallery_labels,
        num_classes=count_classes(gallery_labels, query_labels),
        k=k,
        temperature=temperature,
        chunk_size=chunk_size,
    )
    ranks = vote_ranks(votes, query_labels)
    return {f'top{n}': 100 * (ranks < n).double().mean().item() for n in topk}


def count_classes(*labels: Tensor) -> int:
    """One more than the largest label of several (M,) int64 tensors."""
    return 1 + max(int(part.max()) for part in labels if part.numel())


def _unit(rows: Tensor) -> Tensor:
    return normalize(rows.float(), dim=1)


def _check_inputs(
    queries: Tensor,
    gallery: Tensor | ShardedRows,
    *,
    labels: Tensor,
    num_classes: int,
) -> None:
    if len(queries.shape) != 2 or len(gallery.shape) != 2:
        raise ValueError(
            'queries and gallery must be (Q, D) and (M, D), got '
            f'{tuple(queries.shape)} and {tuple(gallery.shape)}'
        )
    if queries.shape[1] != gallery.shape[1]:
        raise ValueError(
            f'queries have {queries.shape[1]} dimensions, the gallery has '
            f'{gallery.shape[1]}; both must come from the same network'
        )
    if len(gallery) == 0 or labels.shape != gallery.shape[:1]:
        raise ValueError(
            'the gallery must hold at least one row and one label per row, '
            f'got {len(gallery)} rows and labels of shape '
            f'{tuple(labels.shape)}'
        )
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= num_classes:
        raise ValueError(
            f'labels must lie in [0, num_classes = {num_classes}), got '
            f'[{low}, {high}]; kNN needs a fully labelled gallery'
        )


def _not_finite_message(queries: Tensor, gallery: Tensor | ShardedRows) -> str:
    if isinstance(gallery, ShardedRows):
        gallery = gallery.local  # each rank tells of its own
    bad = {
        'queries': int((~torch.isfinite(queries)).any(1).sum()),
        'gallery': int((~torch.isfinite(gallery)).any(1).sum()),
    }
    return (
        'features are NaN or infinite in '
        + ' and '.join(f'{n} rows of the {side}' for side, n in bad.items())
        + '; the training has diverged: lower the learning rate or train '
        'without --amp'
    )
