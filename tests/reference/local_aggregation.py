"""Loss of Local Aggregation, one sample and one row at a time.

Source: Zhuang et al., "Local Aggregation for Unsupervised Learning of Visual
Embeddings", ICCV 2019, section 3; the 1e-7 is in the authors' code.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .scalars import by_falling_similarity


def close_neighbors(sample: int, clusterings: list[list[int]]) -> set[int]:
    """``C_i``: all that share a cluster with i anywhere, i among them.

    Args:
        sample (int): i.
        clusterings (list[list[int]]): H lists of N clusters.
    """
    close = set()
    for clusters in clusterings:
        for j in range(len(clusters)):
            if clusters[j] == clusters[sample]:
                close.add(j)
    return close


def background(feat: Tensor, bank: Tensor, num_background: int) -> list[int]:
    """``B_i``: the rows with the largest products, the nearest first."""
    products = [torch.dot(feat.detach(), row) for row in bank]
    ranked = by_falling_similarity(range(len(bank)), products)
    return ranked[:num_background]


def local_aggregation_loss(
    feats: Tensor,
    sample_idx: list[int],
    clusterings: list[list[int]],
    bank: Tensor,
    *,
    temperature: float,
    num_background: int,
) -> Tensor:
    """Mean loss of a batch, a scalar with gradient.

    Args:
        feats (Tensor): (B, D) float, norm 1; B may be 0.
        sample_idx (list[int]): B indices in [0, N).
        clusterings (list[list[int]]): H lists of N clusters.
        bank (Tensor): (N, D) float.
        temperature (float): T > 0.
        num_background (int): K >= 1.
    """
    total = (feats * 0).sum()
    for feat, i in zip(feats, sample_idx, strict=True):
        close = close_neighbors(i, clusterings)
        in_both, in_background = (feat * 0).sum(), (feat * 0).sum()
        for j in background(feat, bank, num_background):
            # Z of both probabilities cancels.
            weight = torch.exp(torch.dot(bank[j], feat) / temperature)
            in_background = in_background + weight
            if j in close:
                in_both = in_both + weight
        total = total - torch.log(in_both / in_background + 1e-7)
    return total / max(len(sample_idx), 1)
