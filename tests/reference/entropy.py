"""Candidates by certainty, the rule of AND.

Source: Huang et al., "Unsupervised Deep Learning by Neighbourhood Discovery",
ICML 2019, and its released code: anchors are the samples with the lowest
softmax entropy, each with its single nearest bank row.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .scalars import by_falling_similarity, log_probs_over_bank


def entropy_candidates(
    feats: Tensor, bank: Tensor, *, temperature: float
) -> list[tuple[int, int, float]]:
    """One candidate per sample, the more certain the higher its score.

    Args:
        feats (Tensor): (N, D) float, feature of every sample.
        bank (Tensor): (N, D) float.
        temperature (float): T > 0.

    Returns:
        list[tuple[int, int, float]]: ``(i, j, score)`` by rising i: j is the
        bank row nearest to feature i other than row i, the lowest in a tie;
        score is minus the entropy of ``softmax_j(v_j . f_i / T)`` over all N
        rows, row i included.
    """
    candidates = []
    for i, feat in enumerate(feats):
        log_p = log_probs_over_bank(feat, bank, temperature=temperature)
        score = torch.zeros_like(log_p[0])
        for value in log_p:
            score = score + torch.exp(value) * value
        # Not ranked by log_p: its rounding can make ties of near ones.
        similarities = [torch.dot(row, feat) for row in bank]
        others = [j for j in range(len(bank)) if j != i]
        nearest = by_falling_similarity(others, similarities)[0]
        candidates.append((i, nearest, score.item()))
    return candidates
