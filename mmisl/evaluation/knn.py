"""Weighted k-nearest-neighbour classification of frozen features."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import normalize

from mmisl.ops import ShardedRows, all_finite, nearest_rows

from .rank_metric import class_ranks

# Rank of a class that no neighbour voted for: behind every top-k.
NO_VOTE = torch.iinfo(torch.int64).max


class KNNGallery:
    r"""Labelled features that vote for the class of queries, ready for them.

    They are checked and brought to length 1 once, for any number of batches
    of queries: one copy in float32.

    Args:
        feats (Tensor | ShardedRows): (M, D) float, any length, where the
            work is done; with shards by all ranks together, of which each
            makes a gallery.
        labels (Tensor): (M,) int64, at least 0.

    Attributes:
        rows (Tensor | ShardedRows): (M, D) float32, norm 1.
        labels (Tensor): (M,) int64, on the device of ``rows``.
        num_classes (int): One more than the largest label.

    Raises:
        ValueError: If shapes disagree, there is no row, a label is negative,
            or a feature is NaN or infinite.
    """

    def __init__(self, feats: Tensor | ShardedRows, labels: Tensor) -> None:
        if len(feats.shape) != 2:
            raise ValueError(
                f'the gallery must be (M, D), got {tuple(feats.shape)}'
            )
        if len(feats) == 0 or labels.shape != feats.shape[:1]:
            raise ValueError(
                'the gallery must hold at least one row and one label per '
                f'row, got {len(feats)} rows and labels of shape '
                f'{tuple(labels.shape)}'
            )
        if labels.min() < 0:
            raise ValueError(
                'labels must be at least 0, got '
                f'{int(labels.min())}; kNN needs a fully labelled gallery'
            )
        if not all_finite(feats):
            # Of shards each rank tells of its own.
            own = feats.local if isinstance(feats, ShardedRows) else feats
            raise ValueError(_not_finite_message('gallery', own))
        self.labels = labels.to(feats.device)
        self.num_classes = count_classes(labels)
        self.rows: Tensor | ShardedRows
        if isinstance(feats, ShardedRows):
            self.rows = feats.map(_unit)
        else:
            self.rows = _unit(feats)

    @property
    def has_one_class(self) -> bool:
        """Whether all rows are of one class, so that all votes are for it."""
        return bool((self.labels == self.labels[0]).all())

    def votes(
        self,
        queries: Tensor,
        *,
        num_classes: int,
        k: int = 200,
        temperature: float = 0.1,
        chunk_size: int = 1024,
        gallery_chunk_size: int | None = None,
    ) -> Tensor:
        """Votes of the nearest rows: see :func:`knn_votes`.

        Raises:
            ValueError: If the queries are not (Q, D), a number is out of
                range, or a query is NaN or infinite.
        """
        similarity, nearest = self.neighbors(
            queries,
            k,
            chunk_size=chunk_size,
            gallery_chunk_size=gallery_chunk_size,
        )
        return self.vote(
            similarity,
            nearest,
            num_classes=num_classes,
            temperature=temperature,
        )

    def neighbors(
        self,
        queries: Tensor,
        k: int,
        *,
        chunk_size: int = 1024,
        gallery_chunk_size: int | None = None,
        description: str = '',
    ) -> tuple[Tensor, Tensor]:
        """Who votes; the first columns are the voters of a smaller k.

        Arguments are those of :func:`mmisl.ops.nearest_rows`.

        Returns:
            tuple[Tensor, Tensor]: Cosines (Q, k), falling, float32, and rows
            (Q, k) int64.

        Raises:
            ValueError: If the queries are not (Q, D), ``k`` is smaller than
                1, or a query is NaN or infinite.
        """
        self._check_queries(queries)
        if not k > 0:
            raise ValueError(f'k must be greater than 0, got {k}')
        # A single call, which with shards every rank makes once.
        return nearest_rows(
            _unit(queries.to(self.rows.device)),
            self.rows,
            k,
            block_queries=chunk_size,
            block_rows=gallery_chunk_size,
            description=description,
        )

    def vote(
        self,
        similarity: Tensor,
        nearest: Tensor,
        *,
        num_classes: int,
        temperature: float = 0.1,
    ) -> Tensor:
        """Votes (Q, C) of :meth:`neighbors`; see :func:`knn_votes`.

        Raises:
            ValueError: If the gallery has a larger label, or ``temperature``
                is not positive.
        """
        if self.num_classes > num_classes:
            raise ValueError(
                f'labels must lie in [0, num_classes = {num_classes}), got '
                f'{self.num_classes - 1} in the gallery'
            )
        if not temperature > 0:
            raise ValueError(
                f'temperature must be greater than 0, got {temperature}'
            )
        weights = ((similarity - similarity[:, :1]) / temperature).exp()
        # A vote may be small, but it must not round to none.
        weights = weights.clamp_min(torch.finfo(weights.dtype).tiny)
        votes = weights.new_zeros(len(similarity), num_classes)
        return votes.scatter_add_(1, self.labels[nearest], weights)

    def _check_queries(self, queries: Tensor) -> None:
        if len(queries.shape) != 2:
            raise ValueError(
                f'queries must be (Q, D), got {tuple(queries.shape)}'
            )
        if queries.shape[1] != self.rows.shape[1]:
            raise ValueError(
                f'queries have {queries.shape[1]} dimensions, the gallery '
                f'has {self.rows.shape[1]}; both must come from the same '
                'network'
            )
        if not all_finite(queries):
            raise ValueError(_not_finite_message('queries', queries))


def knn_votes(
    queries: Tensor,
    gallery: Tensor | ShardedRows,
    labels: Tensor,
    *,
    num_classes: int,
    k: int = 200,
    temperature: float = 0.1,
    chunk_size: int = 1024,
    gallery_chunk_size: int | None = None,
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
        gallery_chunk_size (int, optional): Gallery rows at a time. Defaults
            to what :func:`mmisl.ops.nearest_rows` takes.

    Returns:
        Tensor: (Q, C) float32, on the gallery's device. A class has 0 votes
        only if none of the k neighbours belongs to it.

    Raises:
        ValueError: If shapes disagree, the gallery is empty, a number is out
            of range, or a feature is NaN or infinite.
    """
    return KNNGallery(gallery, labels).votes(
        queries,
        num_classes=num_classes,
        k=k,
        temperature=temperature,
        chunk_size=chunk_size,
        gallery_chunk_size=gallery_chunk_size,
    )


def vote_ranks(votes: Tensor, labels: Tensor) -> Tensor:
    """Rank of the true class among the votes, 0 for the winner.

    As :func:`class_ranks`, but a class without any vote is never right, not
    even where fewer than five classes exist.

    Args:
        votes (Tensor): (Q, C) float, at least 0.
        labels (Tensor): (Q,) int64 in [0, C).

    Returns:
        Tensor: (Q,) int64; ``NO_VOTE`` where the true class has no vote.
    """
    own = votes.gather(1, labels.to(votes.device)[:, None])
    return class_ranks(votes, labels).masked_fill(own[:, 0] == 0, NO_VOTE)


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


def _not_finite_message(side: str, rows: Tensor) -> str:
    num_bad = int((~torch.isfinite(rows)).any(1).sum())
    return (
        f'features are NaN or infinite in {num_bad} rows of the {side}; the '
        'training has diverged: lower the learning rate or train without '
        '--amp'
    )
