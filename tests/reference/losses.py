"""Backbone losses: instance, neighbour and hard-positive terms.

Source: official code, ``lib/LinearAverage.py``, ``LinearCriterion``.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .scalars import log_probs_over_bank, log_sum_exp


def hard_positive_index(
    sample: int, neighbors: set[int], *, bank: Tensor, mode: str = 'nearest'
) -> int:
    """Choose the neighbour whose distribution the sample shall imitate.

    Bank row is compared with bank row. The released code says "hard" and
    takes the MOST similar neighbour, which is ``'nearest'`` here.

    Args:
        sample (int): Sample index i, not among its neighbours.
        neighbors (set[int]): ``A_i``, not empty.
        bank (Tensor): (N, D) float.
        mode (str): ``'nearest'`` for the largest ``v_k . v_i``,
            ``'hardest'`` for the smallest.

    Returns:
        int: ``h(i)``; the lowest index in a tie.

    Raises:
        ValueError: If ``mode`` is neither of the two.
    """
    if mode not in ('nearest', 'hardest'):
        raise ValueError(
            f"hard_positive ({mode!r}) must be 'nearest' or 'hardest'; "
            "the released code is 'nearest'"
        )
    best, best_similarity = -1, 0.0
    for k in sorted(neighbors):
        similarity = torch.dot(bank[k], bank[sample]).item()
        if mode == 'hardest':
            similarity = -similarity
        if best < 0 or similarity > best_similarity:
            best, best_similarity = k, similarity
    return best


def isl_losses(
    feats: Tensor,
    sample_idx: list[int],
    neighbors: list[set[int]],
    bank: Tensor,
    *,
    temperature: float,
    hard_positive_weight: float,
    hard_positive: str = 'nearest',
    positive_reduction: str = 'logsumexp',
) -> dict[str, Tensor]:
    """Three loss terms of a batch, every softmax dense over all N rows.

    A sample without neighbours gives ``-log p_ii``. A sample with neighbours
    gives ``-log sum_{j in A_i or j = i} p_ij`` and
    ``weight * sum_j p_ij (log p_ij - log q_j)``, where q is the distribution
    of the bank row of its hard positive, a constant.

    Args:
        feats (Tensor): (B, D) float, norm 1, with gradient.
        sample_idx (list[int]): B indices in [0, N). Padded copies (-1) are
            to be left out by the caller, with their features.
        neighbors (list[set[int]]): N sets ``A_i``, i never in its own set.
        bank (Tensor): (N, D) float.
        temperature (float): T > 0.
        hard_positive_weight (float): Factor of the third term.
        hard_positive (str): See :func:`hard_positive_index`.
        positive_reduction (str): ``'logsumexp'`` or ``'mean'``.

    Returns:
        dict[str, Tensor]: Scalars ``loss_instance``, ``loss_neighbor`` and
        ``loss_hard_positive``: sums over the samples they concern, each
        divided by B. A term that concerns no sample is 0 with a graph.

    Raises:
        ValueError: If a sample index is outside [0, N).
    """
    num_samples = len(bank)
    bank = bank.detach()
    zero = (feats * 0).sum()
    instance, neighbor, imitation = zero, zero, zero
    for feat, i in zip(feats, sample_idx, strict=True):
        if not 0 <= i < num_samples:
            raise ValueError(
                f'sample_idx ({i}) must lie in [0, {num_samples}); leave '
                'padded rows out of feats and sample_idx'
            )
        log_p = log_probs_over_bank(feat, bank, temperature=temperature)
        if not neighbors[i]:
            instance = instance - log_p[i]
            continue
        positives = sorted(neighbors[i] | {i})
        if positive_reduction == 'mean':
            for j in positives:
                neighbor = neighbor - log_p[j] / len(positives)
        else:
            neighbor = neighbor - log_sum_exp([log_p[j] for j in positives])
        h = hard_positive_index(i, neighbors[i], bank=bank, mode=hard_positive)
        log_q = log_probs_over_bank(bank[h], bank, temperature=temperature)
        for j in range(num_samples):
            imitation = imitation + torch.exp(log_p[j]) * (log_p[j] - log_q[j])
    batch_size = len(sample_idx)
    return dict(
        loss_instance=instance / batch_size,
        loss_neighbor=neighbor / batch_size,
        loss_hard_positive=hard_positive_weight * imitation / batch_size,
    )
