"""Arithmetic on single vectors that the other modules are spelled in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor


def unit(vector: Tensor) -> Tensor:
    """Scale a non-zero vector (D,) to length 1."""
    return vector / torch.sqrt(torch.dot(vector, vector))


def cosine(left: Tensor, right: Tensor) -> Tensor:
    """Cosine of the angle between two non-zero vectors (D,), a scalar."""
    return torch.dot(unit(left), unit(right))


def log_sum_exp(values: Sequence[Tensor]) -> Tensor:
    """Logarithm of the summed exponentials of scalars.

    Shifted by the largest value, a constant for the gradient, so that small
    temperatures do not overflow.
    """
    shift = max(value.detach() for value in values)
    total = torch.zeros_like(values[0])
    for value in values:
        total = total + torch.exp(value - shift)
    return shift + torch.log(total)


def log_softmax(values: Sequence[Tensor]) -> list[Tensor]:
    """Logarithms of the softmax probabilities of scalars."""
    log_norm = log_sum_exp(values)
    return [value - log_norm for value in values]


def log_probs_over_bank(
    feat: Tensor, bank: Tensor, *, temperature: float
) -> list[Tensor]:
    """Log probability of every bank row for one feature.

    Args:
        feat (Tensor): (D,) float.
        bank (Tensor): (N, D) float, all of it enters the denominator.
        temperature (float): T > 0.

    Returns:
        list[Tensor]: N scalars, ``log p_j`` with
        ``p_j = exp(v_j . f / T) / sum_n exp(v_n . f / T)``.
    """
    return log_softmax([torch.dot(row, feat) / temperature for row in bank])


def by_falling_similarity(
    candidates: Iterable[int],
    similarities: Sequence[Tensor] | Mapping[int, Tensor],
) -> list[int]:
    """Sort indices by falling similarity, the lower index first in a tie.

    Args:
        candidates (Iterable[int]): Indices into ``similarities``.
        similarities (Sequence[Tensor] | Mapping[int, Tensor]): Scalar of
            every candidate.

    Returns:
        list[int]: The candidates, each once.
    """
    return sorted(set(candidates), key=lambda j: (-similarities[j].item(), j))
