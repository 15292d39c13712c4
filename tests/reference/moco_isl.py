"""MoCo's loss, and the proposed one with mined positives.

Sources: He et al., "Momentum Contrast for Unsupervised Visual Representation
Learning", CVPR 2020, equation 1 and algorithm 1. The loss with mined positives
has no published source; it is stated here as this project defines it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .scalars import log_softmax, log_sum_exp


def enqueue(
    queue: list[tuple[int, Tensor]],
    keys: list[Tensor],
    sample_idx: list[int],
) -> list[tuple[int, Tensor]]:
    """First in, first out.

    Args:
        queue (list[tuple[int, Tensor]]): K samples with their keys (D,), the
            oldest first.
        keys (list[Tensor]): B new keys, in order.
        sample_idx (list[int]): Of the new keys; -1 never enters.

    Returns:
        list[tuple[int, Tensor]]: The queue after that, the oldest first.
    """
    length = len(queue)
    for i, key in zip(sample_idx, keys, strict=True):
        if i != -1:
            queue = [*queue, (i, key)][-length:]
    return queue


def moco_loss(
    queries: Tensor, keys: Tensor, queue: Tensor, *, temperature: float
) -> Tensor:
    """Mean of ``-log softmax`` of the own key among it and the queue.

    Args:
        queries (Tensor): (B, D) float, with gradient.
        keys (Tensor): (B, D) float.
        queue (Tensor): (K, D) float, all of them negatives.
        temperature (float): T > 0.
    """
    total = (queries * 0).sum()
    for query, key in zip(queries, keys, strict=True):
        logits = [torch.dot(query, key) / temperature]
        logits += [torch.dot(query, u) / temperature for u in queue]
        total = total - log_softmax(logits)[0]
    return total / len(queries)


def moco_isl_losses(
    queries: Tensor,
    keys: Tensor,
    sample_idx: list[int],
    neighbors: list[set[int]],
    drawn: list[set[int]],
    queue: Tensor,
    queue_idx: list[int],
    bank: Tensor,
    *,
    temperature: float,
    kl_weight: float,
    positive_reduction: str = 'logsumexp',
) -> tuple[Tensor, Tensor]:
    """The two terms of a batch.

    A sample with neighbours has its own key and the bank rows of those drawn
    as positives, and as negatives the queue without keys of its own or of ANY
    neighbour. One without has the whole queue as negatives.

    Args:
        queries (Tensor): (B, D) float, with gradient.
        keys (Tensor): (B, D) float.
        sample_idx (list[int]): B indices in [0, N).
        neighbors (list[set[int]]): N sets, all that was mined.
        drawn (list[set[int]]): B subsets of them, the positives.
        queue (Tensor): (K, D) float.
        queue_idx (list[int]): K samples of these keys; -1 for none.
        bank (Tensor): (N, D) float.
        temperature (float): T > 0.
        kl_weight (float): Factor of the second term.
        positive_reduction (str): ``'logsumexp'``, the sum of the positives
            inside the logarithm, or ``'mean'``, of their logarithms.

    Returns:
        tuple[Tensor, Tensor]: Contrastive term and hard positive, means over
        the batch.
    """
    contrastive = imitation = (queries * 0).sum()
    for query, key, i, positives in zip(
        queries, keys, sample_idx, drawn, strict=True
    ):
        excluded = neighbors[i] | {i} if neighbors[i] else set()
        top = [torch.dot(query, key) / temperature]
        top += [torch.dot(query, bank[j]) / temperature for j in positives]
        bottom = list(top)
        for u, owner in zip(queue, queue_idx, strict=True):
            if owner not in excluded:
                bottom.append(torch.dot(query, u) / temperature)
        if positive_reduction == 'mean':
            pull = sum(top) / len(top)
        else:
            pull = log_sum_exp(top)
        contrastive = contrastive + log_sum_exp(bottom) - pull
        if not neighbors[i]:
            continue
        nearest = max(
            sorted(neighbors[i]), key=lambda k: torch.dot(bank[k], bank[i])
        )
        log_p = log_softmax([torch.dot(query, u) / temperature for u in queue])
        log_q = log_softmax(
            [torch.dot(bank[nearest], u) / temperature for u in queue]
        )
        for one, other in zip(log_p, log_q, strict=True):
            imitation = imitation + torch.exp(one) * (one - other)
    batch_size = len(sample_idx)
    return contrastive / batch_size, kl_weight * imitation / batch_size
