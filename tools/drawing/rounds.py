"""What was mined, by round instead of by run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .cells import Runs

# More make a table that is not read; who clusters does so every epoch.
_MAX_SHOWN = 4


def by_round(runs: Runs) -> dict[int, list[Mapping[str, Any]]]:
    """Numbers of one round over the runs of a method.

    Args:
        runs (Sequence[Mapping]): Of one method.

    Returns:
        dict[int, list[Mapping]]: By the round's number, ascending; a run that
        mined nothing in it is not in its list.
    """
    groups: dict[int, list[Mapping[str, Any]]] = {}
    for run in runs:
        for mined in run.get('rounds', []):
            groups.setdefault(int(mined['round']), []).append(mined)
    return dict(sorted(groups.items()))


def shown_rounds(numbers: Sequence[int]) -> list[int]:
    """Rounds of a table: all, or a few at equal steps, the last included.

    Args:
        numbers (Sequence[int]): Of all rounds, ascending.
    """
    num_steps = min(len(numbers), _MAX_SHOWN) - 1
    if num_steps < 1:
        return [*numbers]
    last = len(numbers) - 1
    return [numbers[step * last // num_steps] for step in range(num_steps + 1)]
