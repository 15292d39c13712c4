"""Rows of a bank with the largest products, by several backends."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod

import torch
from torch import Tensor

from .faiss_library import import_faiss

_CURE = "use backend='torch'"


def largest_products(
    queries: Tensor, bank: Tensor, depth: int, block_rows: int
) -> tuple[Tensor, Tensor]:
    """Rows with the largest products, as they are rounded.

    By blocks of the bank with a running top-k, without waiting for a GPU. On
    a host, where sorting takes longer than multiplying, only products above
    the smallest of the running ones are sorted. :func:`nearest_rows` is
    exact, and waits.

    Args:
        queries (Tensor): (B, D) float; B may be 0.
        bank (Tensor): (N, D) float, of any type.
        depth (int): Rows wanted, >= 1.
        block_rows (int): Rows of the bank at a time, >= 1.

    Returns:
        tuple[Tensor, Tensor]: Products (B, min(depth, N)) in the type of the
        queries and rows int64, in no order.
    """
    best = queries.new_empty(len(queries), 0)
    rows = torch.empty_like(best, dtype=torch.int64)
    for begin in range(0, len(bank), block_rows):
        block = bank[begin : begin + block_rows]
        product = queries @ block.to(queries.dtype).T
        if best.shape[1] == depth and not best.is_cuda and best.numel():
            product, row = _contenders(product, best.amin(1))
        else:
            product, row = product.topk(min(depth, len(block)), sorted=False)
        best = torch.cat([best, product], dim=1)
        rows = torch.cat([rows, row + begin], dim=1)
        best, order = best.topk(min(depth, best.shape[1]), sorted=False)
        rows = rows.gather(1, order)
    return best, rows


def _contenders(product: Tensor, bound: Tensor) -> tuple[Tensor, Tensor]:
    """Products (B, N) above a bound (B,) for each query.

    Returns:
        tuple[Tensor, Tensor]: (B, W) products and columns int64, W the most
        that any query has; lists of fewer end in minus infinity, column 0.
    """
    query, column = (product > bound[:, None]).nonzero(as_tuple=True)
    counts = query.bincount(minlength=len(product))
    place = torch.arange(len(query)) - (counts.cumsum(0) - counts)[query]
    kept = product.new_full((len(product), int(counts.max())), -torch.inf)
    columns = torch.zeros_like(kept, dtype=torch.int64)
    kept[query, place] = product[query, column]
    columns[query, place] = column
    return kept, columns


class Products(metaclass=ABCMeta):
    """Rows with the largest products, as a backend computes them.

    Attributes:
        slack: () float, times the norm of a query: by how much a product may
            be off for rounding. Minus infinity if the backend may miss rows
            for another reason, so that looking deeper is of no use.
    """

    slack: Tensor

    @abstractmethod
    def largest(self, queries: Tensor, depth: int) -> tuple[Tensor, Tensor]:
        """Rows (B, depth) int64 and the smallest of their products (B,)."""


class TorchProducts(Products):
    """Matrix products by the block, with a running top-k."""

    def __init__(
        self, bank: Tensor, dtype: torch.dtype, block_rows: int
    ) -> None:
        self.bank = bank
        self.block_rows = block_rows
        self.slack = _rounding(bank, torch.finfo(dtype).eps)

    def largest(self, queries: Tensor, depth: int) -> tuple[Tensor, Tensor]:
        """See :meth:`Products.largest`."""
        best, rows = largest_products(
            queries, self.bank, depth, self.block_rows
        )
        return rows, best.amin(1)


class FaissProducts(Products):
    """Exhaustive search of faiss, in float32; on its GPU where it has one."""

    def __init__(self, bank: Tensor) -> None:
        self.faiss = import_faiss(_CURE)
        self.rows = bank.float().cpu().numpy()
        self.slack = _rounding(bank, torch.finfo(torch.float32).eps)

    def largest(self, queries: Tensor, depth: int) -> tuple[Tensor, Tensor]:
        """See :meth:`Products.largest`."""
        faiss = self.faiss
        arguments = (queries.float().cpu().numpy(), self.rows, depth)
        metric = faiss.METRIC_INNER_PRODUCT
        if queries.is_cuda and faiss.get_num_gpus():
            resources = faiss.StandardGpuResources()
            found = faiss.knn_gpu(resources, *arguments, metric=metric)
        else:
            found = faiss.knn(*arguments, metric=metric)
        product, row = (torch.from_numpy(part) for part in found)
        return row.to(queries.device), product.amin(1).to(queries)


class IVFProducts(Products):
    """Inverted lists of faiss: an eighth of the lists is searched."""

    def __init__(self, bank: Tensor) -> None:
        faiss = import_faiss(_CURE)
        rows = bank.float().cpu().numpy()
        # faiss wants some 40 rows a list for its k-means.
        num_lists = max(1, min(4 * int(len(rows) ** 0.5), len(rows) // 40))
        quantizer = faiss.IndexFlatIP(rows.shape[1])
        self.index = faiss.IndexIVFFlat(
            quantizer, rows.shape[1], num_lists, faiss.METRIC_INNER_PRODUCT
        )
        self.index.train(rows)
        self.index.add(rows)
        self.index.nprobe = max(1, num_lists // 8)
        self.slack = bank.new_tensor(-torch.inf, dtype=torch.float32)

    def largest(self, queries: Tensor, depth: int) -> tuple[Tensor, Tensor]:
        """See :meth:`Products.largest`."""
        found = self.index.search(queries.float().cpu().numpy(), depth)
        product, row = (torch.from_numpy(part) for part in found)
        return row.to(queries.device), product.amin(1).to(queries)


def _rounding(bank: Tensor, eps: float) -> Tensor:
    """Bound of the rounding of a product, for a query of norm 1.

    Summed in whatever order, D terms are off by at most D / 2 eps |q| |v|;
    twice that also covers the rounding of the inputs and of the result.
    """
    dtype = torch.promote_types(bank.dtype, torch.float32)
    norm = torch.linalg.vector_norm(bank, dim=1, dtype=dtype)
    return (bank.shape[1] + 8) * eps * norm.amax()
