"""Weighted nearest-neighbour vote.

Source: official code, ``test.py``, after NPID (lemniscate).
"""

from __future__ import annotations

import torch
from torch import Tensor

from .scalars import by_falling_similarity, cosine


def weighted_knn(
    queries: Tensor,
    gallery: Tensor,
    labels: list[int],
    *,
    k: int,
    temperature: float,
    num_classes: int,
) -> Tensor:
    """Votes of the k most similar gallery rows, each ``exp(cos / T)``.

    Args:
        queries (Tensor): (Q, D) float.
        gallery (Tensor): (N, D) float.
        labels (list[int]): N classes in [0, C).
        k (int): Voters per query; all rows vote where k exceeds N. The lower
            index votes in a tie.
        temperature (float): T > 0.
        num_classes (int): C.

    Returns:
        Tensor: (Q, C) float, summed votes, not normalised.
    """
    votes = torch.zeros(len(queries), num_classes, dtype=queries.dtype)
    for q, query in enumerate(queries):
        similarities = [cosine(query, row) for row in gallery]
        ranking = by_falling_similarity(range(len(gallery)), similarities)
        for j in ranking[:k]:
            votes[q, labels[j]] += torch.exp(similarities[j] / temperature)
    return votes
