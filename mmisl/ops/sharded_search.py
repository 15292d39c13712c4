"""Exact search over rows that are dealt out over the ranks."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .sharded_rows import ShardedRows


def search_shards(
    queries: Tensor,
    bank: ShardedRows,
    k: int,
    *,
    exclude: Tensor | None,
    search: Callable[[Tensor, Tensor, int], tuple[Tensor, Tensor]],
) -> tuple[Tensor, Tensor]:
    """Let every rank search its rows for all queries, and merge.

    A rank looks for one row more than wanted, so that the excluded one can be
    left out after the fact wherever it lies.

    Args:
        queries (Tensor): (B, D) of this rank.
        bank (ShardedRows): (N, D).
        k (int): Rows wanted.
        exclude (Tensor, optional): (B,) int64 in [0, N), or -1.
        search (Callable): Queries, rows and k to similarities and rows of
            one rank, of equal ones the smaller row first.

    Returns:
        tuple[Tensor, Tensor]: As of :func:`nearest_rows`.
    """
    exchange = bank.exchange(len(queries))
    similarity, row = search(exchange.gather(queries), bank.local, k + 1)
    # A short shard finds fewer; all ranks send the same number.
    missing = k + 1 - similarity.shape[1]
    similarity = torch.nn.functional.pad(
        similarity, (0, missing), value=-torch.inf
    )
    row = torch.nn.functional.pad(
        bank.global_rows(row), (0, missing), value=-1
    )
    similarity = exchange.back(similarity).transpose(0, 1).flatten(1)
    row = exchange.back(row).transpose(0, 1).flatten(1)  # (B, W (k + 1))
    if exclude is not None:
        similarity.masked_fill_(row == exclude.unsqueeze(1), -torch.inf)
    # Ascending rows under a stable sort: ties as on one process.
    row, order = row.sort(dim=1)
    similarity, best = similarity.gather(1, order).sort(
        dim=1, descending=True, stable=True
    )
    columns = max(min(k, len(bank) - (exclude is not None)), 0)
    return similarity[:, :columns], row.gather(1, best)[:, :columns]
