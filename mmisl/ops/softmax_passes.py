"""The passes over rows of a bank that give its softmax, without gradient.

They stand on their own: a process that holds only a part of the bank runs them
on its rows and merges what they return.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

# Powers of 2 are cheaper than powers of e on CPU and GPU alike.
LOG2_E = 1 / math.log(2)
# Logits held at once. On a CPU they should stay near a core, in its cache
# (2**17 and 2**18 were best by a little, on a noisy machine); a GPU needs much
# work in each kernel to hide its launch (a guess: not run on a GPU).
CPU_CHUNK_LOGITS = 2**18
GPU_CHUNK_LOGITS = 2**23
BACKENDS = ('torch', 'triton')


@torch.no_grad()
def forward_pass(
    feats: Tensor,
    bank: Tensor,
    temperature: float,
    *,
    chunk_rows: int | None,
    backend: str,
) -> tuple[Tensor, Tensor]:
    """Results of :func:`bank_softmax` over these rows, without gradient.

    Args:
        feats (Tensor): (B, D); B may be 0.
        bank (Tensor): (N, D); N may be 0, for a part without rows.
        temperature (float): T > 0.
        chunk_rows (int, optional): As in :func:`bank_softmax`.
        backend (str): As in :func:`bank_softmax`.

    Returns:
        tuple[Tensor, Tensor]: L (B,) and mu (B, D); without rows -inf and 0.
    """
    if _is_triton(backend):
        from . import bank_softmax_triton

        return bank_softmax_triton.forward_pass(feats, bank, temperature)
    top, total = _new_sum(feats)
    mean = torch.zeros_like(feats)
    scaled = feats * (LOG2_E / temperature)
    for logits, rows in _products(scaled, bank, chunk_rows):
        weights, rescale = _add_weights(logits, top, total)
        mean.mul_(rescale).addmm_(weights, rows)
    # The largest logit of all weighs 1, so a smaller total has no rows.
    return _logsumexp(top, total), mean.div_(total.clamp_min(1))


@torch.no_grad()
def logsumexp_pass(
    feats: Tensor,
    bank: Tensor,
    temperature: float,
    *,
    chunk_rows: int | None,
    backend: str,
) -> Tensor:
    """L of :func:`forward_pass` alone, (B,); without rows -inf."""
    if _is_triton(backend):
        from . import bank_softmax_triton

        return bank_softmax_triton.logsumexp_pass(feats, bank, temperature)
    top, total = _new_sum(feats)
    scaled = feats * (LOG2_E / temperature)
    for logits, _ in _products(scaled, bank, chunk_rows):
        _add_weights(logits, top, total)
    return _logsumexp(top, total)


class KLParts(NamedTuple):
    r"""What one pass knows of a softmax p beside that of another query.

    With :math:`z_j = v_j \cdot (f - g) / T`, all over the same rows:

    Attributes:
        lse: (B,), L(f); minus infinity without rows.
        target_lse: (B,), L(g).
        slope: (B, 1), mean of z under p.
        mean: (B, D), mean of v under p.
        tilted: (B, D), mean of z v under p.
    """

    lse: Tensor
    target_lse: Tensor
    slope: Tensor
    mean: Tensor
    tilted: Tensor


@torch.no_grad()
def kl_pass(
    feats: Tensor,
    targets: Tensor,
    bank: Tensor,
    temperature: float,
    *,
    chunk_rows: int | None,
    backend: str,
) -> KLParts:
    """What the divergence of f's softmax from g's and its gradient need.

    Args:
        feats (Tensor): (B, D), f; B may be 0.
        targets (Tensor): (B, D), g.
        bank (Tensor): (N, D); N may be 0, for a part without rows.
        temperature (float): T > 0.
        chunk_rows (int, optional): As in :func:`bank_softmax`.
        backend (str): As in :func:`bank_softmax`.

    Returns:
        KLParts: Over these rows.
    """
    if _is_triton(backend):
        from . import bank_softmax_triton

        return bank_softmax_triton.kl_pass(feats, targets, bank, temperature)
    size = len(feats)
    top, total = _new_sum(feats)
    target_top, target_total = _new_sum(targets)
    slope = torch.zeros_like(top)
    sums = feats.new_zeros(2 * size, feats.shape[1])  # of v, then of z v
    queries = torch.cat([feats, targets]) * (LOG2_E / temperature)
    slopes = torch.empty(0)
    for logits, rows in _products(queries, bank, chunk_rows):
        own, other = logits[:size], logits[size:]
        if slopes.shape != own.shape:  # once, and for a short last chunk
            slopes = torch.empty_like(own)
        torch.sub(own, other, out=slopes)
        _add_weights(other, target_top, target_total)
        weights, rescale = _add_weights(own, top, total)
        # Both kinds of weights lie where the logits did: one product.
        tilted = torch.mul(weights, slopes, out=other)
        slope.mul_(rescale).add_(tilted.sum(1, keepdim=True))
        sums.mul_(rescale.repeat(2, 1)).addmm_(logits, rows)
    total_or_one = total.clamp_min(1)
    return KLParts(
        lse=_logsumexp(top, total),
        target_lse=_logsumexp(target_top, target_total),
        slope=slope / (LOG2_E * total_or_one),
        mean=sums[:size] / total_or_one,
        tilted=sums[size:] / (LOG2_E * total_or_one),
    )


@torch.no_grad()
def backward_pass(
    feats: Tensor,
    bank: Tensor,
    temperature: float,
    *,
    lse: Tensor,
    grad_mean: Tensor,
    centre: Tensor,
    chunk_rows: int | None,
    backend: str,
) -> Tensor:
    r"""What the gradient of mu hands to ``feats``, times T, over these rows.

    .. math::
        \sum_j p_j \, (g \cdot v_j - c) \, v_j, \qquad
        p_j = e^{v_j \cdot f / T - L}

    the covariance of the bank under the softmax times g. The weights are
    computed a second time: to keep them would need the (B, N) matrix.

    Args:
        feats (Tensor): (B, D); B may be 0.
        bank (Tensor): (N, D), this part's rows; N may be 0.
        temperature (float): T > 0.
        lse (Tensor): (B,), L over ALL parts of the bank.
        grad_mean (Tensor): (B, D), g, the gradient of mu.
        centre (Tensor): (B, 1), c = mu . g with mu over ALL parts.
        chunk_rows (int, optional): As in :func:`bank_softmax`.
        backend (str): As in :func:`bank_softmax`.

    Returns:
        Tensor: (B, D), to be summed over the parts and divided by T.
    """
    if _is_triton(backend):
        from . import bank_softmax_triton

        return bank_softmax_triton.backward_pass(
            feats,
            bank,
            temperature,
            lse=lse,
            grad_mean=grad_mean,
            centre=centre,
        )
    grad = torch.zeros_like(feats)
    offset = lse.unsqueeze(1) * LOG2_E
    # One product for both: the rows are read once.
    queries = torch.cat([feats * (LOG2_E / temperature), grad_mean])
    for products, rows in _products(queries, bank, chunk_rows):
        logits, slopes = products[: len(feats)], products[len(feats) :]
        prob = logits.sub_(offset).exp2_()
        grad.addmm_(prob.mul_(slopes.sub_(centre)), rows)
    return grad


def default_chunk_rows(queries: Tensor) -> int:
    """Rows of the bank to hold at once for (B, D) queries."""
    on_cpu = queries.device.type == 'cpu'
    num_logits = CPU_CHUNK_LOGITS if on_cpu else GPU_CHUNK_LOGITS
    return max(1, num_logits // max(1, len(queries)))


def _products(
    queries: Tensor, bank: Tensor, chunk_rows: int | None
) -> Iterator[tuple[Tensor, Tensor]]:
    """Products (B, chunk) and rows (chunk, D) of the bank, chunk by chunk.

    The products share one buffer, which the caller may overwrite: memory that
    is fresh for each chunk would have to be mapped each time.
    """
    if chunk_rows is None:
        chunk_rows = default_chunk_rows(queries)
    if chunk_rows < 1:
        raise ValueError(f'chunk_rows must be >= 1 or None, got {chunk_rows}')
    buffer = queries.new_empty(len(queries) * min(chunk_rows, len(bank)))
    for start in range(0, len(bank), chunk_rows):
        rows = bank[start : start + chunk_rows].to(queries.dtype)
        products = buffer[: len(queries) * len(rows)]
        products = products.view(len(queries), len(rows))
        # With out= and in place nothing is touched by autocast.
        yield torch.mm(queries, rows.T, out=products), rows


def _new_sum(feats: Tensor) -> tuple[Tensor, Tensor]:
    """Largest logit and sum of weights over no rows, (B, 1) each."""
    top = feats.new_full((len(feats), 1), -torch.inf)
    return top, torch.zeros_like(top)


def _add_weights(
    logits: Tensor, top: Tensor, total: Tensor
) -> tuple[Tensor, Tensor]:
    """Add a chunk to the sum, in place.

    Args:
        logits (Tensor): (B, chunk) in base 2, overwritten with the weights.
        top (Tensor): (B, 1), largest logit so far.
        total (Tensor): (B, 1), sum of the weights relative to ``top``.

    Returns:
        tuple[Tensor, Tensor]: Weights (B, chunk) relative to the new top and
        the factor (B, 1) that brings older ones to it.
    """
    new_top = torch.maximum(top, logits.amax(1, keepdim=True))
    rescale = (top - new_top).exp2_()
    weights = logits.sub_(new_top).exp2_()
    total.mul_(rescale).add_(weights.sum(1, keepdim=True))
    top.copy_(new_top)
    return weights, rescale


def _logsumexp(top: Tensor, total: Tensor) -> Tensor:
    """Natural log-sum-exp (B,) of a sum in base 2."""
    return (top + total.log2()).squeeze(1) / LOG2_E


def check_backend(backend: str) -> str:
    """Return ``backend`` if it names a form of the passes.

    Raises:
        ValueError: If it does not.
    """
    if backend not in BACKENDS:
        raise ValueError(f'backend must be one of {BACKENDS}, got {backend!r}')
    return backend


def _is_triton(backend: str) -> bool:
    return check_backend(backend) == 'triton'
