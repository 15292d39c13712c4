"""Exact search for the most similar rows of a feature bank."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from functools import partial

import torch
from mmengine.logging import print_log
from torch import Tensor

from mmisl.progress import track

from .row_products import FaissProducts, IVFProducts, Products, TorchProducts
from .sharded_rows import ShardedRows
from .sharded_search import search_shards

SEARCH_BACKENDS = ('auto', 'torch', 'faiss', 'faiss_ivf')

# On a CPU with one thread and N from 5 k to 1.28 M, faiss took 0.4 to 0.7 of
# the time of the torch search for 1,024 queries and 4 to 7 times as much for
# 256 or 512; with two threads it took 1.0 to 2 times as much from 50 k rows
# on. So the number of queries and of threads decides, not N.
FAISS_MIN_QUERIES = 1024

# For 1,024 queries of 1.28 M x 128 rows on two cores blocks of 2,048 or 4,096
# rows took 0.63 of the time of blocks of 16,384; on a GPU none was measured.
BLOCK_ROWS, BLOCK_ROWS_ON_CPU = 16384, 4096

# Rows looked at beyond those asked for, at first and where that leaves doubt.
_SPARE, _SPARE_IN_DOUBT = 8, 1024
# Values of the bank widened at once while similarities are summed anew.
_WIDENED_VALUES = 2**22
# Queries whose exact neighbours tell the recall of an approximate index.
_RECALL_QUERIES = 256


@torch.no_grad()
def nearest_rows(
    queries: Tensor,
    bank: Tensor | ShardedRows,
    k: int,
    *,
    exclude: Tensor | None = None,
    backend: str = 'auto',
    block_queries: int = 1024,
    block_rows: int | None = None,
    description: str = '',
) -> tuple[Tensor, Tensor]:
    """Find the k rows of a bank with the largest product with each query.

    Matrix products only draw up a shortlist, because their last bits depend
    on the shape of a block. The similarities of the shortlist are summed anew
    in float64, and a query is searched deeper where the rounding of the
    products could have kept a row off its list. So neither blocks nor an
    exact backend change the answer, and of equal similarities the smaller row
    comes first. One case is left to the products: which rows come where more
    than 1,000 lie within the rounding of the k-th, as after a collapse. With
    TF32 allowed on a GPU the products round more than is reckoned with, and
    the last of the k rows may be a close rival.

    Args:
        queries (Tensor): (Q, D) float, finite.
        bank (Tensor | ShardedRows): (N, D) float, finite, on the same device;
            widened by the block if it is half. With shards all ranks call
            this together, each with queries of its own, also none.
        k (int): Rows wanted. Fewer columns come back where the bank has fewer
            rows: min(k, N), or min(k, N - 1) with ``exclude``.
        exclude (Tensor, optional): (Q,) int64, the row that must not be
            returned for a query; -1 for none.
        backend (str): ``'torch'``, products by the block with a running
            top-k; ``'faiss'``, its exhaustive search; ``'auto'``, the one
            that measured faster at this size, torch where faiss is missing;
            ``'faiss_ivf'``, approximate, logs the recall it measured and
            gives row -1, similarity minus infinity where it found too few.
        block_queries (int): Queries at a time.
        block_rows (int, optional): Rows of the bank at a time, for
            ``'torch'``. Defaults to 4,096 on a CPU and 16,384 on a GPU.
        description (str): Of the search, where a bar is to show the blocks
            of queries that are done; not of shards. Defaults to none.

    Returns:
        tuple[Tensor, Tensor]: Similarities (Q, k), falling, float32, or
        float64 if an input is; rows (Q, k) int64.

    Raises:
        ValueError: If shapes disagree, an argument is out of range, or
            ``'faiss_ivf'`` is to search shards.
        ImportError: If faiss is asked for and missing.
    """
    _check(queries, bank, k, exclude, backend)
    if isinstance(bank, ShardedRows):
        if backend == 'faiss_ivf':
            raise ValueError(
                "backend 'faiss_ivf' does not search a sharded bank; use an "
                "exact one such as 'auto'"
            )
        search = partial(
            nearest_rows,
            backend=backend,
            block_queries=block_queries,
            block_rows=block_rows,
        )
        return search_shards(queries, bank, k, exclude=exclude, search=search)
    dtype = torch.promote_types(queries.dtype, bank.dtype)
    dtype = torch.promote_types(dtype, torch.float32)
    columns = max(min(k, len(bank) - (exclude is not None)), 0)
    if columns == 0 or len(queries) == 0:
        shape = (len(queries), columns)
        return (
            queries.new_empty(shape, dtype=dtype),
            queries.new_empty(shape, dtype=torch.int64),
        )
    if exclude is None:
        exclude = torch.full((1,), -1, device=queries.device)
        exclude = exclude.expand(len(queries))
    if backend == 'auto':
        backend = _faster_backend(queries, bank)
    queries = queries.to(dtype)
    products: Products
    if backend == 'torch':
        if block_rows is None:
            block_rows = BLOCK_ROWS if bank.is_cuda else BLOCK_ROWS_ON_CPU
        products = TorchProducts(bank, dtype, block_rows)
    elif backend == 'faiss':
        products = FaissProducts(bank)
    else:
        products = IVFProducts(bank)
        _log_recall(queries, bank, columns, exclude, products)
    blocks: Iterable[Tensor] = queries.split(block_queries)
    if description:
        blocks = track(queries.split(block_queries), description)
    parts = [
        _search(block, bank, columns, left_out, products)
        for block, left_out in zip(blocks, exclude.split(block_queries))
    ]
    similarity, row = zip(*parts)
    return torch.cat(similarity), torch.cat(row)


def _search(
    queries: Tensor,
    bank: Tensor,
    columns: int,
    exclude: Tensor,
    products: Products,
    spare: int = _SPARE,
) -> tuple[Tensor, Tensor]:
    """Nearest rows of one block of queries."""
    depth = min(columns + 1 + spare, len(bank))
    row, smallest = products.largest(queries, depth)
    similarity, row = _rank(queries, bank, row, exclude, columns)
    if depth == len(bank) or spare == _SPARE_IN_DOUBT:
        return similarity, row
    slack = torch.linalg.vector_norm(queries, dim=1) * products.slack
    unsure = (similarity[:, -1] <= smallest + slack).nonzero().squeeze(1)
    if len(unsure):
        similarity[unsure], row[unsure] = _search(
            queries[unsure],
            bank,
            columns,
            exclude[unsure],
            products,
            _SPARE_IN_DOUBT,
        )
    return similarity, row


def _rank(
    queries: Tensor, bank: Tensor, row: Tensor, exclude: Tensor, columns: int
) -> tuple[Tensor, Tensor]:
    """Best of the shortlists (B, depth), similarities summed in float64."""
    row = row.sort(dim=1).values  # a stable sort then breaks ties by row
    at_once = max(1, _WIDENED_VALUES // (row.shape[1] * queries.shape[1]))
    similarity = torch.cat(
        [
            (bank[rows].double() * query.double().unsqueeze(1)).sum(2)
            for query, rows in zip(queries.split(at_once), row.split(at_once))
        ]
    ).to(queries.dtype)
    # A list that an approximate search could not fill ends in rows of -1.
    missing = (row == exclude.unsqueeze(1)) | (row < 0)
    similarity.masked_fill_(missing, -torch.inf)
    similarity, order = similarity.sort(dim=1, descending=True, stable=True)
    return similarity[:, :columns], row.gather(1, order)[:, :columns]


def _log_recall(
    queries: Tensor,
    bank: Tensor,
    columns: int,
    exclude: Tensor,
    products: IVFProducts,
) -> None:
    """Compare an approximate index with the exact search on some queries."""
    step = -(-len(queries) // _RECALL_QUERIES)
    some, left_out = queries[::step], exclude[::step]
    # Without the excluded rows: they would be found in any case.
    _, exact = nearest_rows(
        some, bank, columns, exclude=left_out, backend='torch'
    )
    _, found = _search(some, bank, columns, left_out, products)
    hit = (exact.unsqueeze(2) == found.unsqueeze(1)).any(2)
    print_log(
        f'faiss_ivf: recall {100 * hit.float().mean():.1f} % of the '
        f'{columns} nearest rows, on {len(some)} of {len(queries)} queries',
        logger='current',
    )


def _faster_backend(queries: Tensor, bank: Tensor) -> str:
    """The backend that measured faster; torch where nothing was measured."""
    measured = queries.device.type == bank.device.type == 'cpu'
    if (
        measured
        and len(queries) >= FAISS_MIN_QUERIES
        and torch.get_num_threads() == 1
        and torch.float64 not in (queries.dtype, bank.dtype)
        and importlib.util.find_spec('faiss') is not None
    ):
        return 'faiss'
    return 'torch'


def _check(
    queries: Tensor,
    bank: Tensor | ShardedRows,
    k: int,
    exclude: Tensor | None,
    backend: str,
) -> None:
    if queries.dim() != 2 or queries.shape[1:] != bank.shape[1:]:
        raise ValueError(
            'queries and bank must be (Q, D) and (N, D), got '
            f'{tuple(queries.shape)} and {tuple(bank.shape)}'
        )
    if k < 1:
        raise ValueError(f'k must be >= 1, got {k}')
    if exclude is not None and exclude.shape != queries.shape[:1]:
        raise ValueError(
            'exclude must hold one row per query, got '
            f'{tuple(exclude.shape)} for {len(queries)} queries; use -1 '
            'where nothing is left out'
        )
    if backend not in SEARCH_BACKENDS:
        raise ValueError(
            f'backend must be one of {", ".join(SEARCH_BACKENDS)}, got '
            f'{backend!r}'
        )
