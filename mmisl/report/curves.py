"""Logged numbers as the curves of the page."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from mmisl.runs.scalars import epoch_of

from .gallery import spread_evenly

MAX_POINTS = 500
# Logged once per mining stage, so it marks where a round ends.
ROUND_KEY = 'mining/round'
_STAGE, _SECONDS = 'stage/', '_seconds'
# Counters, and what has a place of its own.
_SKIPPED = {'epoch', 'iter', 'step', ROUND_KEY}
_GROUPS = {
    'knn': 'kNN',
    'mining': 'Mining',
    'lr': 'Learning rate',
    'momentum': 'Learning rate',
    'time': 'Speed',
    'data_time': 'Speed',
    'memory': 'Speed',
}
_UNITS = {
    'time': 's / iteration',
    'data_time': 's / iteration',
    'memory': 'MB',
}
_ORDER = ('Loss', 'kNN', 'Mining', 'Learning rate', 'Speed')


def make_curves(scalars: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """All numbers over encoder epochs, as charts.

    Values of one epoch, such as the losses of its iterations, are averaged;
    of more than 500 epochs 500 are kept, evenly spread. Losses share a chart,
    and so do scores of kNN; every other number has its own.

    Args:
        scalars (Sequence[dict]): Log records. The epoch of a record is its
            ``epoch``, or its ``step`` if it has none, as for validations.

    Returns:
        list[dict]: ``group``, ``title``, ``unit`` and ``series``, of which
        each has ``label``, ``x`` and ``y``; NaN and infinity are None.
    """
    charts: dict[tuple[str, str], dict[str, Any]] = {}
    for key, values in _means(scalars).items():
        group, title = _place(key)
        chart = charts.setdefault(
            (group, title),
            dict(group=group, title=title, unit=_unit(key), series=[]),
        )
        epochs = sorted(values)
        kept = [epochs[i] for i in spread_evenly(len(epochs), MAX_POINTS)]
        chart['series'].append(
            dict(
                label=key.rpartition('/')[2],
                x=kept,
                y=[_finite(values[epoch]) for epoch in kept],
            )
        )
    return sorted(charts.values(), key=_rank)


def round_ends(scalars: Sequence[dict[str, Any]]) -> list[float]:
    """Epochs after which was mined, ascending."""
    return sorted({float(epoch_of(r)) for r in scalars if ROUND_KEY in r})


def stage_times(
    scalars: Sequence[dict[str, Any]],
) -> list[tuple[str, float, int]]:
    """Seconds of every kind of stage, and how many there were.

    Without records of stages, as of a run of an earlier version, only
    mining is known.
    """
    seconds = defaultdict(list)
    for record in scalars:
        for key, value in record.items():
            if key.startswith(_STAGE) and key.endswith(_SECONDS):
                name = key.removeprefix(_STAGE).removesuffix(_SECONDS)
                seconds[name].append(float(value))
    if not seconds:
        mined = [r['mining/seconds'] for r in scalars if 'mining/seconds' in r]
        if mined:
            seconds['mining'] = [float(value) for value in mined]
    return [(name, sum(v), len(v)) for name, v in seconds.items()]


def _means(
    scalars: Sequence[dict[str, Any]],
) -> dict[str, dict[float, float]]:
    """Mean value of every number at every epoch."""
    found: dict[str, dict[float, list[float]]] = {}
    for record in scalars:
        for key, value in record.items():
            if key in _SKIPPED or key.startswith(_STAGE):
                continue
            if isinstance(value, (int, float)):
                values = found.setdefault(key, defaultdict(list))
                values[float(epoch_of(record))].append(value)
    return {
        key: {epoch: math.fsum(v) / len(v) for epoch, v in values.items()}
        for key, values in found.items()
    }


def _place(key: str) -> tuple[str, str]:
    """Group and title of the chart that a number belongs to."""
    prefix, _, name = key.rpartition('/')
    if 'loss' in name and not prefix:
        return 'Loss', 'Loss'
    if prefix == 'knn':
        return 'kNN', 'kNN accuracy'
    group = _GROUPS.get(prefix or name) or prefix or 'Other'
    words = (name or key).replace('_', ' ')
    return group[:1].upper() + group[1:] if group != 'kNN' else group, words


def _unit(key: str) -> str:
    if key.startswith('knn/'):
        return '%'
    return 's' if key.endswith('seconds') else _UNITS.get(key, '')


def _rank(chart: dict[str, Any]) -> tuple[int, str]:
    group = chart['group']
    place = _ORDER.index(group) if group in _ORDER else len(_ORDER)
    return place, group


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
