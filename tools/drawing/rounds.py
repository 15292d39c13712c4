"""What was mined, by round instead of by run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .cells import Runs


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
            groups.setdefault(mined['round'], []).append(mined)
    return dict(sorted(groups.items()))
