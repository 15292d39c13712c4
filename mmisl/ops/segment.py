"""Reductions over runs of equal ``row`` in a flat list of pairs."""

from __future__ import annotations

import torch
from torch import Tensor


def segment_logsumexp(values: Tensor, row: Tensor, num_rows: int) -> Tensor:
    """Log-sum-exp of the values of every row, with gradient.

    Args:
        values (Tensor): (M,) float.
        row (Tensor): (M,) int64 in [0, num_rows), any order.
        num_rows (int): B; every row must own at least one value.

    Returns:
        Tensor: (B,) float.
    """
    top = values.new_full((num_rows,), -torch.inf).scatter_reduce(
        0, row, values.detach(), 'amax'
    )
    total = values.new_zeros(num_rows).index_add(
        0, row, (values - top[row]).exp()
    )
    return top + total.log()


def segment_mean(values: Tensor, row: Tensor, num_rows: int) -> Tensor:
    """Mean of the values of every row, with gradient.

    Args:
        values (Tensor): (M,) float.
        row (Tensor): (M,) int64 in [0, num_rows), any order.
        num_rows (int): B; every row must own at least one value.

    Returns:
        Tensor: (B,) float.
    """
    pairs = torch.stack([values, torch.ones_like(values)], 1)
    total, count = (
        pairs.new_zeros(num_rows, 2).index_add(0, row, pairs).unbind(1)
    )
    return total / count


def segment_argmax(values: Tensor, row: Tensor, num_rows: int) -> Tensor:
    """Position of the largest value of every row; the first of equal ones.

    Args:
        values (Tensor): (M,) float.
        row (Tensor): (M,) int64 in [0, num_rows), any order.
        num_rows (int): B.

    Returns:
        Tensor: (B,) int64, position in ``values``; M for a row without one.
    """
    top = values.new_full((num_rows,), -torch.inf).scatter_reduce(
        0, row, values, 'amax'
    )
    position = torch.arange(len(values), device=values.device)
    position = position.masked_fill(values < top[row], len(values))
    first = position.new_full((num_rows,), len(values))
    return first.scatter_reduce(0, row, position, 'amin')
