"""Tables that set the runs of a report side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Run = Mapping[str, Any]


@dataclass(frozen=True)
class FactRow:
    """One fact of every run.

    Args:
        label (str): What it is.
        texts (list[str | None]): One for each run, None where not known.
        differs (bool): Whether the runs have different ones.
    """

    label: str
    texts: list[str | None]
    differs: bool


@dataclass(frozen=True)
class StageCell:
    """Time of one run in one kind of stage.

    Args:
        seconds (float): All stages of the kind together.
        count (int): Number of stages.
        share (float | None): Of the time of all stages of the run; None
            where no other kind was timed.
        width (float): Of the longest run, for a bar.
    """

    seconds: float
    count: int
    share: float | None
    width: float


def fact_rows(runs: Sequence[Run]) -> list[FactRow]:
    """Facts of all runs, a row for each label."""
    tables = [dict(run['facts']) for run in runs]
    rows = []
    for label in _union(tables):
        texts = [table.get(label) for table in tables]
        rows.append(FactRow(label, texts, len(set(texts)) > 1))
    return rows


def stage_rows(
    runs: Sequence[Run],
) -> list[tuple[str, list[StageCell | None]]]:
    """Times of all runs, a row for each kind of stage."""
    sums = [_stage_seconds(run) for run in runs]
    longest = max(sums, default=0) or 1
    tables = []
    for run, total in zip(runs, stage_totals(runs)):
        tables.append(
            {
                name: StageCell(
                    seconds,
                    count,
                    share=None if total is None else seconds / (total or 1),
                    width=seconds / longest,
                )
                for name, seconds, count in run['stages']
            }
        )
    return [
        (name, [table.get(name) for table in tables])
        for name in _union(tables)
    ]


def stage_totals(runs: Sequence[Run]) -> list[float | None]:
    """Seconds of all stages of each run.

    None for a run of which one kind alone was timed: what the others took is
    not known.
    """
    return [
        _stage_seconds(run) if len(run['stages']) > 1 else None for run in runs
    ]


def runs_by_dataset(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Runs over the same images, under the name of their data set."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(run['dataset'], []).append(run)
    return groups


def format_seconds(seconds: float) -> str:
    """'0.4 s', '12 s', '3 min 05 s' or '2 h 07 min'."""
    if seconds < 9.95:
        return f'{seconds:.1f} s'
    whole = round(seconds)
    if whole < 60:
        return f'{whole} s'
    if whole < 3600:
        return f'{whole // 60} min {whole % 60:02d} s'
    minutes = round(seconds / 60)
    return f'{minutes // 60} h {minutes % 60:02d} min'


def is_picture(uri: str) -> bool:
    """Whether a link is a picture inside the page, and no address."""
    return uri.startswith('data:image/')


def _stage_seconds(run: Run) -> float:
    return sum(seconds for _, seconds, _ in run['stages'])


def _union(tables: Sequence[Mapping[str, Any]]) -> list[str]:
    """Keys of all tables, in the order in which they are met."""
    return list(dict.fromkeys(key for table in tables for key in table))
