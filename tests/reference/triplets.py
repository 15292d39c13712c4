"""Choice of the negative of a GAN triplet among random draws.

Source: official code, ``lib/LinearAverage.py``, triplet sampling, with one
difference in form: there a draw is repeated until it is allowed, here the
draws that are not allowed are skipped.
"""

from __future__ import annotations

from torch import Tensor

from .scalars import by_falling_similarity, cosine


def _similarities_of_allowed(
    anchor: Tensor, draws: list[int], *, bank: Tensor, excluded: set[int]
) -> dict[int, Tensor]:
    """Cosine to the anchor for every distinct draw that is not excluded."""
    similarities = {
        j: cosine(anchor, bank[j]) for j in draws if j not in excluded
    }
    if not similarities:
        raise ValueError(
            f'draws ({len(draws)} of them) must hold an index that is not '
            'excluded; draw more rows, or fewer positives leave none'
        )
    return similarities


def draw_allowed(
    uniform: list[float], num_samples: int, excluded: set[int]
) -> list[int]:
    """Rows that random numbers stand for, among those not excluded.

    Args:
        uniform (list[float]): In [0, 1).
        num_samples (int): N.
        excluded (set[int]): The anchor's sample and its mined neighbours.

    Returns:
        list[int]: One row for each number; they share [0, 1) equally.
    """
    allowed = [j for j in range(num_samples) if j not in excluded]
    return [allowed[int(u * len(allowed))] for u in uniform]


def hardest_negative(
    anchor: Tensor, draws: list[int], bank: Tensor, excluded: set[int]
) -> int:
    """Draw with the largest cosine to the anchor.

    Args:
        anchor (Tensor): (D,) float.
        draws (list[int]): Bank rows, repetitions allowed.
        bank (Tensor): (N, D) float.
        excluded (set[int]): The anchor's sample and its mined neighbours.

    Returns:
        int: Sample index; the lowest in a tie.

    Raises:
        ValueError: If every draw is excluded.
    """
    similarities = _similarities_of_allowed(
        anchor, draws, bank=bank, excluded=excluded
    )
    return by_falling_similarity(similarities, similarities)[0]


def semi_hard_negative(
    anchor: Tensor,
    draws: list[int],
    bank: Tensor,
    excluded: set[int],
    *,
    positive: Tensor,
) -> int:
    """Closest draw that is still further away than the positive.

    The usual meaning of semi-hard; the released code has only the hardest.

    Args:
        anchor (Tensor): (D,) float.
        draws (list[int]): Bank rows, repetitions allowed.
        bank (Tensor): (N, D) float.
        excluded (set[int]): The anchor's sample and its mined neighbours.
        positive (Tensor): (D,) float.

    Returns:
        int: Sample index of the largest cosine below that of the positive;
        where there is none, of the smallest cosine. The lowest in a tie.

    Raises:
        ValueError: If every draw is excluded.
    """
    similarities = _similarities_of_allowed(
        anchor, draws, bank=bank, excluded=excluded
    )
    limit = cosine(anchor, positive)
    below = [j for j in similarities if similarities[j] < limit]
    if below:
        return by_falling_similarity(below, similarities)[0]
    furthest = {j: -similarities[j] for j in similarities}
    return by_falling_similarity(furthest, furthest)[0]
