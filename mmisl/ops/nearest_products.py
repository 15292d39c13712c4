"""The largest products of features with a bank, with gradient."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .row_products import largest_products
from .sharded_rows import ShardedRows, num_local_rows

# Products held at once, 32 MiB in float32. The fewer blocks, the fewer runs
# of top-k: on a CPU with one thread, 128 queries and N = 50,000 took 0.22 s
# in one block and 0.33 s in four.
_BLOCK_PRODUCTS = 2**23
# Values of the bank widened at once where it is of another type.
_WIDENED_VALUES = 2**22


class _NearestProducts(torch.autograd.Function):
    """Products and rows; the backward pass sums rows, weighted."""

    @staticmethod
    def forward(ctx, feats, bank, k):
        if isinstance(bank, ShardedRows):
            products, rows = _search_shards(feats, bank, k)
            local = bank.local
        else:
            products, rows = _search(feats, bank, k)
            local = bank
        # The bank is saved so that autograd refuses one written meanwhile.
        ctx.save_for_backward(rows, local)
        ctx.bank = bank
        ctx.mark_non_differentiable(rows)
        return products, rows

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad_products, _):
        rows, local = ctx.saved_tensors
        if not isinstance(ctx.bank, ShardedRows):
            return _weighted_rows(grad_products, rows, local), None, None
        exchange = ctx.bank.exchange(len(rows))
        weights, rows = exchange.gather(grad_products), exchange.gather(rows)
        weights = torch.where(ctx.bank.is_local(rows), weights, 0)
        rows = ctx.bank.local_rows(rows)
        own = _weighted_rows(weights, rows, local)
        return exchange.back(own).sum(0), None, None


def nearest_products(
    feats: Tensor, bank: Tensor | ShardedRows, k: int
) -> tuple[Tensor, Tensor]:
    r"""The k largest products :math:`v_j \cdot f` of each feature.

    No (B, N) matrix is held: the bank is read by the block, with a running
    top-k. Gradients reach ``feats`` through the products found, whose rows
    are never gathered as a (B, k, D) tensor; which rows they are is a
    constant. No shape depends on values, so a GPU is never waited for where
    the bank lies on no other rank.

    # Deviates from :func:`nearest_rows`, which sums the similarities anew in
    # float64 and takes the smaller row of a tie: too dear for every step (2.7
    # instead of 0.3 s for 128 queries, k = 4,096, N = 50,000 on one thread).
    Of rows whose products are equal, or within rounding of each other, at
    the k-th place, any may be taken; the same ones in every run with the
    same blocks and ranks.

    Args:
        feats (Tensor): (B, D) float32 or float64; B may be 0.
        bank (Tensor | ShardedRows): (N, D) float, constant; read by the block
            in the type of ``feats``. With shards all ranks call this
            together, also with B = 0, and go through its backward pass
            together.
        k (int): Rows wanted, at least 1.

    Returns:
        tuple[Tensor, Tensor]: Products (B, min(k, N)) in the type of
        ``feats`` and rows (B, min(k, N)) int64, in no order.

    Raises:
        TypeError: If ``feats`` is neither float32 nor float64.
        ValueError: If shapes disagree, the bank is empty, or k < 1.
    """
    if feats.dtype not in (torch.float32, torch.float64):
        raise TypeError(
            f'feats must be float32 or float64, got {feats.dtype}; call '
            'feats.float() first'
        )
    if k < 1:
        raise ValueError(f'k must be >= 1, got {k}')
    if len(bank) == 0 or bank.shape[1] != feats.shape[1]:
        raise ValueError(
            f'bank must be (N >= 1, {feats.shape[1]}) to match feats, got '
            f'{tuple(bank.shape)}'
        )
    return _NearestProducts.apply(feats, bank, k)


def _search(feats: Tensor, bank: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Products (B, min(k, N)) and rows of a part of the bank."""
    block_rows = max(1, _BLOCK_PRODUCTS // max(1, len(feats)))
    return largest_products(feats, bank, k, block_rows)


def _search_shards(
    feats: Tensor, bank: ShardedRows, k: int
) -> tuple[Tensor, Tensor]:
    """Every rank searches its rows for all feats; the answers are merged."""
    exchange = bank.exchange(len(feats))
    products, rows = _search(exchange.gather(feats), bank.local, k)
    # A later shard may be a row short; all ranks send the same number.
    missing = min(k, num_local_rows(len(bank), 0)) - rows.shape[1]
    products = F.pad(products, (0, missing), value=-torch.inf)
    rows = F.pad(bank.global_rows(rows), (0, missing))
    products = exchange.back(products).transpose(0, 1).flatten(1)
    rows = exchange.back(rows).transpose(0, 1).flatten(1)  # (B, W k)
    products, order = products.topk(min(k, len(bank)), sorted=False)
    return products, rows.gather(1, order)


def _weighted_rows(weights: Tensor, rows: Tensor, bank: Tensor) -> Tensor:
    """Sum of the rows of every query, weighted.

    Args:
        weights (Tensor): (B, K) float.
        rows (Tensor): (B, K) int64; those outside of the bank weigh 0.
        bank (Tensor): (N, D) float.

    Returns:
        Tensor: (B, D), in the type of ``weights``.
    """
    total = weights.new_zeros(len(weights), bank.shape[1])
    if len(weights) == 0 or len(bank) == 0:
        return total
    block_rows = len(bank)
    if bank.dtype != weights.dtype:
        block_rows = max(1, _WIDENED_VALUES // bank.shape[1])
    for begin in range(0, len(bank), block_rows):
        block = bank[begin : begin + block_rows].to(weights.dtype)
        row = rows - begin
        inside = (row >= 0) & (row < len(block))
        # Reads each row once and forms no (B, K, D).
        total += F.embedding_bag(
            row.clamp(0, len(block) - 1),
            block,
            per_sample_weights=torch.where(inside, weights, 0),
            mode='sum',
        )
    return total
