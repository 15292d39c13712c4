"""Random numbers as a function of a key, on any device."""

from __future__ import annotations

import torch
from torch import Tensor

# Of SplitMix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number
# Generators", OOPSLA 2014), as int64.
_GAMMA = 0x9E3779B97F4A7C15 - 2**64
_FIRST = 0xBF58476D1CE4E5B9 - 2**64
_SECOND = 0x94D049BB133111EB - 2**64


def draw_uniform(keys: Tensor, num_draws: int) -> Tensor:
    """Draw numbers that depend on nothing but their key and place.

    A generator with a state gives a sample other numbers whenever the batch
    around it changes. Here each key is mixed into the state of a SplitMix64
    of its own, whose k-th output needs none of those before it.

    Args:
        keys (Tensor): (B, W) int64, one key of W words for each sample.
        num_draws (int): M, numbers for each key.

    Returns:
        Tensor: (B, M) float64 in [0, 1), on the device of ``keys``.
    """
    state = torch.zeros_like(keys[:, 0])
    for word in keys.unbind(1):
        state = mix((state ^ word) + _GAMMA)
    count = torch.arange(1, num_draws + 1, device=keys.device)
    bits = mix(state[:, None] + count * _GAMMA)  # (B, M)
    # The upper 53 bits: all that a double holds.
    return _shift_right(bits, 11).double() * 2.0**-53


def mix(state: Tensor) -> Tensor:
    """Finalizer of SplitMix64, one-to-one on int64 of any shape."""
    state = (state ^ _shift_right(state, 30)) * _FIRST
    state = (state ^ _shift_right(state, 27)) * _SECOND
    return state ^ _shift_right(state, 31)


def _shift_right(bits: Tensor, places: int) -> Tensor:
    """Shift as if unsigned: torch's own shift copies the sign."""
    return (bits >> places) & (2 ** (64 - places) - 1)
