r"""Softmax over every row of a feature bank, streamed.

With logits :math:`z_j = v_j \cdot f / T` over all N rows of the bank, ISL and
its kin need only the log-sum-exp of the logits and the mean of the bank under
their softmax; the (B, N) matrix itself is never wanted. One pass over the bank
in chunks gives both, as attention does with the batch as queries and the bank
as keys and values.
"""

from __future__ import annotations

import torch
from torch import Tensor

CHUNK_ROWS = 8192


class _BankSoftmax(torch.autograd.Function):
    """Log-sum-exp and softmax mean with a streamed backward."""

    @staticmethod
    def forward(ctx, feats, bank, temperature, chunk_rows):
        ctx.set_materialize_grads(False)
        scaled = feats / temperature
        top = feats.new_full((len(feats), 1), -torch.inf)
        total = feats.new_zeros(len(feats), 1)
        mean = torch.zeros_like(feats)
        for chunk in bank.split(chunk_rows):
            rows = chunk.to(feats.dtype)
            logits = scaled @ rows.T  # (B, chunk)
            new_top = torch.maximum(top, logits.amax(1, keepdim=True))
            rescale = (top - new_top).exp()
            weights = logits.sub_(new_top).exp_()
            total = total * rescale + weights.sum(1, keepdim=True)
            mean = torch.addmm(mean * rescale, weights, rows)
            top = new_top
        lse = (top + total.log()).squeeze(1)
        mean = mean / total
        ctx.save_for_backward(feats, bank, lse, mean)
        ctx.temperature, ctx.chunk_rows = temperature, chunk_rows
        return lse, mean

    @staticmethod
    def backward(ctx, grad_lse, grad_mean):
        feats, bank, lse, mean = ctx.saved_tensors
        grad = torch.zeros_like(mean)
        if grad_lse is not None:
            grad = grad_lse.unsqueeze(1) * mean
        if grad_mean is None:  # no second pass where nobody uses the mean
            return grad / ctx.temperature, None, None, None
        # The second half is the covariance of the bank under the softmax
        # times grad_mean, which needs the weights again: recomputed by chunk.
        scaled = feats / ctx.temperature
        centre = (mean * grad_mean).sum(1, keepdim=True)
        for chunk in bank.split(ctx.chunk_rows):
            rows = chunk.to(feats.dtype)
            prob = (scaled @ rows.T).sub_(lse.unsqueeze(1)).exp_()
            prob.mul_((grad_mean @ rows.T).sub_(centre))
            grad = torch.addmm(grad, prob, rows)
        return grad / ctx.temperature, None, None, None


def bank_softmax(
    feats: Tensor,
    bank: Tensor,
    temperature: float,
    *,
    chunk_rows: int = CHUNK_ROWS,
) -> tuple[Tensor, Tensor]:
    r"""Log-sum-exp and softmax mean over the whole bank.

    .. math::
        L(f) = \log \sum_j e^{v_j \cdot f / T}, \qquad
        \mu(f) = \sum_j \mathrm{softmax}_j(v_j \cdot f / T)\, v_j

    Exact, with O(B x chunk_rows + B x D) memory. Gradients reach ``feats``
    through both results; the bank is a constant.

    Args:
        feats (Tensor): (B, D) float32 or float64.
        bank (Tensor): (N, D), any float type; read in the type of ``feats``.
        temperature (float): T > 0.
        chunk_rows (int): Rows of the bank held at once.

    Returns:
        tuple[Tensor, Tensor]: L (B,) and mu (B, D), in the type of ``feats``.

    Raises:
        ValueError: If T is not positive, or the bank is empty or its width
            differs.
    """
    _check(feats, bank, temperature)
    return _BankSoftmax.apply(feats, bank, temperature, chunk_rows)


@torch.no_grad()
def bank_logsumexp(
    feats: Tensor,
    bank: Tensor,
    temperature: float,
    *,
    chunk_rows: int = CHUNK_ROWS,
) -> Tensor:
    """Log-sum-exp of :func:`bank_softmax` alone, without gradient.

    Returns:
        Tensor: (B,), in the type of ``feats``.
    """
    _check(feats, bank, temperature)
    scaled = feats / temperature
    parts = [
        torch.logsumexp(scaled @ chunk.to(feats.dtype).T, dim=1)
        for chunk in bank.split(chunk_rows)
    ]
    return torch.logsumexp(torch.stack(parts), dim=0)


def _check(feats: Tensor, bank: Tensor, temperature: float) -> None:
    if temperature <= 0:
        raise ValueError(f'temperature must be > 0, got {temperature}')
    if len(bank) == 0 or bank.shape[1] != feats.shape[1]:
        raise ValueError(
            f'bank must be (N >= 1, {feats.shape[1]}) to match feats, got '
            f'{tuple(bank.shape)}'
        )
