r"""Softmax over every row of a feature bank, streamed.

With logits :math:`z_j = v_j \cdot f / T` over all N rows of the bank, ISL and
its kin need only the log-sum-exp of the logits and the mean of the bank under
their softmax; the (B, N) matrix itself is never wanted. One pass over the bank
in chunks gives both, as attention does with the batch as queries and the bank
as keys and values.

A bank whose rows are dealt out over the ranks gives the same: see
:class:`ShardedRows`.
"""

from __future__ import annotations

from types import ModuleType

import torch
from torch import Tensor

from . import sharded_softmax, softmax_passes
from .sharded_rows import ShardedRows


class _BankSoftmax(torch.autograd.Function):
    """Log-sum-exp and softmax mean with a streamed backward."""

    @staticmethod
    def forward(ctx, feats, bank, temperature, chunk_rows, backend):
        ctx.set_materialize_grads(False)
        lse, mean = _passes(bank).forward_pass(
            feats, bank, temperature, chunk_rows=chunk_rows, backend=backend
        )
        # Rows are saved too: autograd then refuses a bank written meanwhile.
        rows = bank.local if isinstance(bank, ShardedRows) else bank
        ctx.save_for_backward(feats, lse, mean, rows)
        ctx.bank, ctx.temperature = bank, temperature
        ctx.chunk_rows, ctx.backend = chunk_rows, backend
        return lse, mean

    @staticmethod
    def backward(ctx, grad_lse, grad_mean):
        feats, lse, mean, _ = ctx.saved_tensors
        grad = torch.zeros_like(mean)
        if grad_lse is not None:
            grad = grad_lse.unsqueeze(1) * mean
        if grad_mean is not None:  # no second pass if nobody uses the mean
            grad += _passes(ctx.bank).backward_pass(
                feats,
                ctx.bank,
                ctx.temperature,
                lse=lse,
                grad_mean=grad_mean,
                centre=(mean * grad_mean).sum(1, keepdim=True),
                chunk_rows=ctx.chunk_rows,
                backend=ctx.backend,
            )
        return grad / ctx.temperature, None, None, None, None


class _BankKL(torch.autograd.Function):
    """Log-sum-exp and divergence, whose gradients come with the values."""

    @staticmethod
    def forward(ctx, feats, targets, bank, temperature, chunk_rows, backend):
        parts = _passes(bank).kl_pass(
            feats,
            targets,
            bank,
            temperature,
            chunk_rows=chunk_rows,
            backend=backend,
        )
        covariance = parts.tilted - parts.slope * parts.mean
        ctx.save_for_backward(parts.mean, covariance)
        ctx.temperature = temperature
        kl = parts.slope.squeeze(1) - parts.lse + parts.target_lse
        return parts.lse, kl

    @staticmethod
    def backward(ctx, grad_lse, grad_kl):
        mean, covariance = ctx.saved_tensors
        grad = grad_lse.unsqueeze(1) * mean + grad_kl.unsqueeze(1) * covariance
        return grad / ctx.temperature, None, None, None, None, None


def bank_softmax(
    feats: Tensor,
    bank: Tensor | ShardedRows,
    temperature: float,
    *,
    chunk_rows: int | None = None,
    backend: str = 'torch',
) -> tuple[Tensor, Tensor]:
    r"""Log-sum-exp and softmax mean over the whole bank.

    .. math::
        L(f) = \log \sum_j e^{v_j \cdot f / T}, \qquad
        \mu(f) = \sum_j \mathrm{softmax}_j(v_j \cdot f / T)\, v_j

    Exact, with O(B x chunk_rows + B x D) memory. Gradients reach ``feats``
    through both results; the bank is a constant. Autocast has no influence
    on the result.

    Args:
        feats (Tensor): (B, D) float32 or float64. Half precision is refused:
            its logits would lose the digits that L is made of.
        bank (Tensor | ShardedRows): (N, D), any float type; read by chunk in
            the type of ``feats``, so a half bank costs no second copy. With
            shards all ranks call this together, each with feats of its own
            (also none), and use the same results in their losses.
        temperature (float): T > 0.
        chunk_rows (int, optional): Rows of the bank held at once. None
            chooses by B and the device.
        backend (str): ``'torch'``, or ``'triton'`` for the kernels of
            :mod:`mmisl.ops.bank_softmax_triton` (CUDA, float32 only). These
            were never run on a GPU, so ``'torch'`` is the default there too.

    Returns:
        tuple[Tensor, Tensor]: L (B,) and mu (B, D), in the type of ``feats``.

    Raises:
        TypeError: If ``feats`` is neither float32 nor float64.
        ValueError: If T is not positive, the bank is empty or its width
            differs, or ``chunk_rows`` or ``backend`` is out of range.
    """
    _check(feats, bank, temperature)
    return _BankSoftmax.apply(feats, bank, temperature, chunk_rows, backend)


def bank_softmax_kl(
    feats: Tensor,
    targets: Tensor,
    bank: Tensor | ShardedRows,
    temperature: float,
    *,
    chunk_rows: int | None = None,
    backend: str = 'torch',
) -> tuple[Tensor, Tensor]:
    r"""Log-sum-exp over the bank, and divergence from another softmax.

    .. math::
        KL(f \| g) = \mu(f) \cdot (f - g) / T - L(f) + L(g), \qquad
        \nabla_f KL = \tfrac{1}{T} \sum_j p_j (z_j - \bar z) v_j

    with :math:`z_j = v_j \cdot (f - g) / T`. As g is known beforehand, one
    pass over the bank gives values and gradients: four matrix products where
    :func:`bank_softmax` and its backward, with :func:`bank_logsumexp` for g,
    take six. Exact, with the memory of :func:`bank_softmax`. Gradients reach
    ``feats`` alone. In float32 the KL is good to some eps / T and its
    gradient to some eps / T^2, as the dense form is.

    Args:
        feats (Tensor): (B, D) float32 or float64, f.
        targets (Tensor): (B, D), g, in the same type.
        bank (Tensor | ShardedRows): (N, D), as in :func:`bank_softmax`.
        temperature (float): T > 0.
        chunk_rows (int, optional): As in :func:`bank_softmax`.
        backend (str): As in :func:`bank_softmax`.

    Returns:
        tuple[Tensor, Tensor]: L(f) (B,) and KL (B,), in the type of
        ``feats``.

    Raises:
        TypeError: If ``feats`` is neither float32 nor float64.
        ValueError: If ``targets`` do not match ``feats``, or as in
            :func:`bank_softmax`.
    """
    _check(feats, bank, temperature)
    if targets.shape != feats.shape or targets.dtype != feats.dtype:
        raise ValueError(
            f'targets must be {tuple(feats.shape)} {feats.dtype} as feats, '
            f'got {tuple(targets.shape)} {targets.dtype}'
        )
    return _BankKL.apply(
        feats, targets, bank, temperature, chunk_rows, backend
    )


def bank_logsumexp(
    feats: Tensor,
    bank: Tensor | ShardedRows,
    temperature: float,
    *,
    chunk_rows: int | None = None,
    backend: str = 'torch',
) -> Tensor:
    """Log-sum-exp of :func:`bank_softmax` alone, without gradient.

    Returns:
        Tensor: (B,), in the type of ``feats``.
    """
    _check(feats, bank, temperature)
    return _passes(bank).logsumexp_pass(
        feats, bank, temperature, chunk_rows=chunk_rows, backend=backend
    )


def _passes(bank: Tensor | ShardedRows) -> ModuleType:
    return sharded_softmax if isinstance(bank, ShardedRows) else softmax_passes


def _check(
    feats: Tensor, bank: Tensor | ShardedRows, temperature: float
) -> None:
    if feats.dtype not in (torch.float32, torch.float64):
        raise TypeError(
            f'feats must be float32 or float64, got {feats.dtype}; call '
            'feats.float() first'
        )
    if temperature <= 0:
        raise ValueError(f'temperature must be > 0, got {temperature}')
    if len(bank) == 0 or bank.shape[1] != feats.shape[1]:
        raise ValueError(
            f'bank must be (N >= 1, {feats.shape[1]}) to match feats, got '
            f'{tuple(bank.shape)}'
        )
