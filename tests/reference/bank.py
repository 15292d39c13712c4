"""Update of the memory bank after a step.

Source: official code, ``lib/LinearAverage.py``, backward of the logits op.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .scalars import unit


def update_bank(
    bank: Tensor, sample_idx: list[int], feats: Tensor, *, momentum: float
) -> Tensor:
    """Move the rows of a batch towards their new features.

    ``v_i = norm((1 - m) v_i + m f_i)``: interpolated first, normalised after.
    The released code calls the weight of the OLD row momentum.

    Args:
        bank (Tensor): (N, D) float, left as it is.
        sample_idx (list[int]): B indices in [0, N), or -1 for padded copies,
            which are ignored. For a sample that occurs more than once ``f_i``
            is the plain mean of its features, not normalised.
        feats (Tensor): (B, D) float, norm 1.
        momentum (float): m in (0, 1], the weight of the NEW feature.

    Returns:
        Tensor: (N, D) float, the new bank, without gradient.
    """
    feats_of_sample: dict[int, list[Tensor]] = {}
    for i, feat in zip(sample_idx, feats.detach(), strict=True):
        if i != -1:
            feats_of_sample.setdefault(i, []).append(feat)
    new_bank = bank.detach().clone()
    for i, own_feats in feats_of_sample.items():
        total = torch.zeros_like(own_feats[0])
        for feat in own_feats:
            total = total + feat
        mean = total / len(own_feats)
        new_bank[i] = unit((1 - momentum) * new_bank[i] + momentum * mean)
    return new_bank
