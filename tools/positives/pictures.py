"""Pictures of the positives and of their numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mmisl.report.run_images import RunImages
from mmisl.structures import ScoredEdges
from mmisl.visualization import (
    NumberCurve,
    RoundPositives,
    RunPositives,
    draw_number_curves,
    draw_positives,
)

from .images import known_class_names, read_drawn
from .numbers import RoundNumbers, RunNumbers
from .runs import MatchedRound, MiningRun, Moment

FORMATS = ('png', 'pdf')
# All rounds side by side fit a page only if there are few of everything.
_OVERVIEW_ANCHORS, _OVERVIEW_ROUNDS, _OVERVIEW_NEIGHBORS = 4, 4, 5
_PANELS = {
    'purity (%)': ('purity', 100),
    'recall@10 (%)': ('recall_at_10', 100),
    'neighbours per image': ('mean_degree', 1),
    'largest degree': ('max_degree', 1),
    'edges far apart in pixels (%)': ('share_far', 100),
    'purity of these (%)': ('purity_far', 100),
}


def draw_rounds(
    out: Path,
    images: RunImages,
    rounds: Mapping[int, RoundPositives],
    *,
    anchors: Sequence[int],
    max_neighbors: int,
) -> list[Path]:
    """One picture a round, and one of several rounds beside each other.

    Returns:
        list[Path]: The files.
    """
    pictures = {
        f'positives_round_{number:03d}': ([moment], anchors, max_neighbors)
        for number, moment in rounds.items()
    }
    if len(rounds) > 1:
        pictures['positives_overview'] = (
            _spread(list(rounds.values())),
            anchors[:_OVERVIEW_ANCHORS],
            min(max_neighbors, _OVERVIEW_NEIGHBORS),
        )
    loaded = read_drawn(images, _shown(list(rounds.values()), anchors))
    written = []
    for name, (moments, chosen, limit) in pictures.items():
        written += draw_positives(
            loaded,
            moments,
            anchors=chosen,
            paths=[out / f'{name}.{ending}' for ending in FORMATS],
            labels=images.labels,
            class_names=known_class_names(images),
            max_neighbors=limit,
        )
    return written


def collect_positives(
    runs: Sequence[MiningRun],
    matched: Sequence[MatchedRound],
    numbers: Sequence[RoundNumbers],
    *,
    anchors: Sequence[int],
    max_neighbors: int,
    with_control: bool,
) -> dict[int, RoundPositives]:
    """What every run held for the anchors, by round.

    Args:
        runs (Sequence[MiningRun]): The runs.
        matched (Sequence[MatchedRound]): Their rounds, side by side.
        numbers (Sequence[RoundNumbers]): Of the same rounds.
        anchors (Sequence[int]): Sample indices.
        max_neighbors (int): Positives kept of an anchor.
        with_control (bool): Whether plain neighbours follow their run.
    """
    collected = {}
    for match, measured in zip(matched, numbers):
        by_run = {entry.run: entry for entry in measured.runs}
        rows: list[RunPositives] = []
        for run, moment in zip(runs, match.moments):
            rows += _rows_of(
                run.name,
                moment,
                by_run.get(run.name),
                match.epoch,
                anchors=anchors,
                max_neighbors=max_neighbors,
                with_control=with_control,
            )
        collected[match.round] = RoundPositives(match.title, rows)
    return collected


def draw_numbers(
    out: Path, rounds: Sequence[RoundNumbers], *, control: str
) -> list[Path]:
    """Curves of the numbers, a line a run; no panel of what is not known.

    Returns:
        list[Path]: The files.
    """
    names = dict.fromkeys(run.run for entry in rounds for run in entry.runs)
    of_run = {
        name: [r for entry in rounds for r in entry.runs if r.run == name]
        for name in names
    }
    panels = {}
    for title, (key, scale) in _PANELS.items():
        curves = []
        for found in of_run.values():
            curves.append(_curve(found, key, scale, is_control=False))
            if any(entry.control is not None for entry in found):
                curves.append(_curve(found, key, scale, is_control=True))
        if not np.isnan([curve.values for curve in curves]).all():
            panels[title] = curves
    return draw_number_curves(
        panels,
        paths=[out / f'numbers.{ending}' for ending in FORMATS],
        control=control,
    )


def _rows_of(
    name: str,
    moment: Moment | None,
    numbers: RunNumbers | None,
    epoch: int,
    *,
    anchors: Sequence[int],
    max_neighbors: int,
    with_control: bool,
) -> list[RunPositives]:
    control = f'kNN of {name}'
    if moment is None or numbers is None:
        rows = [RunPositives(name)]
        return [*rows, RunPositives(control)] if with_control else rows
    snapshot = moment.load()
    rows = [
        RunPositives(
            name,
            numbers.short(epoch),
            *_nearest(snapshot.edges, anchors, max_neighbors),
        )
    ]
    if with_control and snapshot.control is not None:
        rows.append(
            RunPositives(
                control,
                '',
                *_nearest(snapshot.control, anchors, max_neighbors),
            )
        )
    elif with_control:
        rows.append(RunPositives(control, missing='not kept'))
    return rows


def _nearest(
    edges: ScoredEdges, anchors: Sequence[int], max_neighbors: int
) -> tuple[dict[int, list[int]], dict[int, list[float]]]:
    rows, cosine = edges.nearest(max_neighbors)
    counts = (rows >= 0).sum(axis=1)
    return (
        {a: rows[a, : counts[a]].tolist() for a in anchors},
        {a: cosine[a, : counts[a]].tolist() for a in anchors},
    )


def _shown(
    rounds: Sequence[RoundPositives], anchors: Sequence[int]
) -> list[int]:
    shown = set(anchors)
    for moment in rounds:
        for run in moment.runs:
            for neighbors in (run.neighbors or {}).values():
                shown.update(neighbors)
    return sorted(shown)


def _spread(rounds: list[RoundPositives]) -> list[RoundPositives]:
    """The first, the last, and some evenly between them."""
    count = min(len(rounds), _OVERVIEW_ROUNDS)
    places = np.linspace(0, len(rounds) - 1, count).round().astype(int)
    return [rounds[place] for place in places]


def _curve(
    found: Sequence[RunNumbers], key: str, scale: float, *, is_control: bool
) -> NumberCurve:
    values = [
        (entry.control or {}) if is_control else entry.mined for entry in found
    ]
    return NumberCurve(
        run=found[0].run,
        epochs=[entry.epoch for entry in found],
        values=[scale * numbers.get(key, math.nan) for numbers in values],
        is_control=is_control,
    )
