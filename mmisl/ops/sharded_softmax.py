r"""The passes over a bank whose rows are dealt out over the ranks.

Every rank streams its own rows for the queries of all ranks. With :math:`L_r`
and :math:`\mu_r` over the rows of rank r,

.. math::
    L = \log \sum_r e^{L_r}, \qquad \mu = \sum_r e^{L_r - L} \mu_r

is exact, and the gradient is a plain sum. What travels are queries and partial
answers, a few times D values per query and rank, and never a row of the bank.
"""

from __future__ import annotations

import torch
from torch import Tensor

from . import softmax_passes
from .sharded_rows import ShardedRows
from .softmax_passes import KLParts


@torch.no_grad()
def forward_pass(
    feats: Tensor,
    bank: ShardedRows,
    temperature: float,
    *,
    chunk_rows: int | None,
    backend: str,
) -> tuple[Tensor, Tensor]:
    """L (B,) and mu (B, D) over all rows, of this rank's feats (B, D)."""
    exchange = bank.exchange(len(feats))
    lse, mean = softmax_passes.forward_pass(
        exchange.gather(feats),
        bank.local,
        temperature,
        chunk_rows=chunk_rows,
        backend=backend,
    )
    parts = exchange.back(torch.cat([lse.unsqueeze(1), mean], 1))
    lse_parts, means = parts[..., 0], parts[..., 1:]  # (W, B), (W, B, D)
    lse = lse_parts.logsumexp(0)
    weights = (lse_parts - lse).exp().unsqueeze(2)
    return lse, (weights * means).sum(0)


@torch.no_grad()
def logsumexp_pass(
    feats: Tensor,
    bank: ShardedRows,
    temperature: float,
    *,
    chunk_rows: int | None,
    backend: str,
) -> Tensor:
    """L of :func:`forward_pass` alone, (B,)."""
    exchange = bank.exchange(len(feats))
    lse = softmax_passes.logsumexp_pass(
        exchange.gather(feats),
        bank.local,
        temperature,
        chunk_rows=chunk_rows,
        backend=backend,
    )
    return exchange.back(lse).logsumexp(0)


@torch.no_grad()
def backward_pass(
    feats: Tensor,
    bank: ShardedRows,
    temperature: float,
    *,
    lse: Tensor,
    grad_mean: Tensor,
    centre: Tensor,
    chunk_rows: int | None,
    backend: str,
) -> Tensor:
    """What the gradient of mu hands to this rank's feats, times T, (B, D)."""
    exchange = bank.exchange(len(feats))
    dim = feats.shape[1]
    # One message for all that belongs to a query.
    queries = exchange.gather(
        torch.cat([feats, grad_mean, centre, lse.unsqueeze(1)], 1)
    )
    grad = softmax_passes.backward_pass(
        queries[:, :dim].contiguous(),
        bank.local,
        temperature,
        lse=queries[:, -1].contiguous(),
        grad_mean=queries[:, dim : 2 * dim].contiguous(),
        centre=queries[:, 2 * dim : 2 * dim + 1].contiguous(),
        chunk_rows=chunk_rows,
        backend=backend,
    )
    return exchange.back(grad).sum(0)


@torch.no_grad()
def kl_pass(
    feats: Tensor,
    targets: Tensor,
    bank: ShardedRows,
    temperature: float,
    *,
    chunk_rows: int | None,
    backend: str,
) -> KLParts:
    """Parts over all rows, of this rank's feats and targets, (B, D) each.

    The gradient needs nothing else, so the backward pass asks nobody.
    """
    exchange = bank.exchange(len(feats))
    dim = feats.shape[1]
    queries = exchange.gather(torch.cat([feats, targets], 1))
    own = softmax_passes.kl_pass(
        queries[:, :dim].contiguous(),
        queries[:, dim:].contiguous(),
        bank.local,
        temperature,
        chunk_rows=chunk_rows,
        backend=backend,
    )
    answer = torch.cat(
        [
            own.lse.unsqueeze(1),
            own.target_lse.unsqueeze(1),
            own.slope,
            own.mean,
            own.tilted,
        ],
        1,
    )
    parts = exchange.back(answer)  # (W, B, 3 + 2 D)
    lse = parts[..., 0].logsumexp(0)
    weights = (parts[..., 0] - lse).exp().unsqueeze(2)
    merged = (weights * parts[..., 2:]).sum(0)
    return KLParts(
        lse=lse,
        target_lse=parts[..., 1].logsumexp(0),
        slope=merged[:, :1],
        mean=merged[:, 1 : 1 + dim],
        tilted=merged[:, 1 + dim :],
    )
