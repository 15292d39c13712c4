"""Instance discrimination: exact, and with sampled negatives.

Sources: Wu et al., CVPR 2018, equations 2 and 8; the authors' code,
``NCEAverage.py`` and ``NCECriterion.py``.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .scalars import log_probs_over_bank


def softmax_loss(
    feats: Tensor, sample_idx: list[int], bank: Tensor, *, temperature: float
) -> Tensor:
    """Mean of ``-log p_ii`` over a batch, every softmax over all N rows.

    Args:
        feats (Tensor): (B, D) float, norm 1, with gradient.
        sample_idx (list[int]): B indices in [0, N).
        bank (Tensor): (N, D) float.
        temperature (float): T > 0.

    Returns:
        Tensor: Scalar.
    """
    total = (feats * 0).sum()
    for feat, i in zip(feats, sample_idx, strict=True):
        total = (
            total - log_probs_over_bank(feat, bank, temperature=temperature)[i]
        )
    return total / len(sample_idx)


def first_normalizer(
    feats: Tensor, rows: list[list[int]], bank: Tensor, *, temperature: float
) -> Tensor:
    """Z: N times the mean of all exponentials of a batch.

    Args:
        feats (Tensor): (B, D) float, norm 1.
        rows (list[list[int]]): Of each sample its own row, then its K
            negatives.
        bank (Tensor): (N, D) float.
        temperature (float): T > 0.

    Returns:
        Tensor: Scalar.
    """
    values = [
        torch.exp(torch.dot(bank[row], feat) / temperature)
        for feat, own in zip(feats, rows, strict=True)
        for row in own
    ]
    return len(bank) * sum(values) / len(values)


def nce_loss(
    feats: Tensor,
    rows: list[list[int]],
    bank: Tensor,
    *,
    temperature: float,
    normalizer: Tensor,
    eps: float = 1e-7,
) -> Tensor:
    """Mean over a batch of the two terms of noise-contrastive estimation.

    Args:
        feats (Tensor): (B, D) float, norm 1, with gradient.
        rows (list[list[int]]): Of each sample its own row, then its K
            negatives, drawn from a uniform law over N rows.
        bank (Tensor): (N, D) float.
        temperature (float): T > 0.
        normalizer (Tensor): Z, a constant.
        eps (float): Added to both denominators, as released.

    Returns:
        Tensor: Scalar.
    """
    num_rows = len(bank)
    total = (feats * 0).sum()
    for feat, own in zip(feats, rows, strict=True):
        num_negatives = len(own) - 1
        noise = num_negatives / num_rows
        for place, row in enumerate(own):
            prob = torch.exp(torch.dot(bank[row], feat) / temperature)
            prob = prob / normalizer
            if place == 0:
                total = total - torch.log(prob / (prob + noise + eps))
            else:
                total = total - torch.log(noise / (prob + noise + eps))
    return total / len(feats)
