"""Logged numbers as the curves of the page."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from mmisl.runs.scalars import ROUND_KEY, epoch_means

from .gallery import spread_evenly

MAX_POINTS = 500
_STAGE, _SECONDS = 'stage/', '_seconds'
# As they follow each other in a round.
_STAGES = ('encoder', 'validation', 'extraction', 'mining')
# Counters, and what has a place of its own.
_SKIPPED = {'epoch', 'iter', 'step', ROUND_KEY}
# Numbers that are read together, and where they stand.
_CHARTS = {
    'mining/purity': ('Mining', 'purity of edges', '%'),
    'mining/cluster_purity': ('Mining', 'purity of clusters', '%'),
    'mining/mean_degree': ('Mining', 'neighbours per image', ''),
    'mining/max_degree': ('Mining', 'largest degree', ''),
    'mining/num_edges': ('Mining', 'edges', ''),
    'mining/edges_': ('Mining', 'edges of the round', ''),
    'mining/num_hubs': ('Mining', 'hubs', 'images'),
    'mining/hub_share': ('Mining', 'edge ends at the top 1 % of images', '%'),
    'mining/coverage': ('Mining', 'images with a neighbour', '%'),
    'mining/seconds': ('Mining', 'time', 's'),
    'mining/gan_': ('GAN', '', ''),
    'mining/proxy_': ('GAN', '', ''),
    'mining/proxies_': ('GAN', '', ''),
    'mining/': ('Mining', '', ''),
    'lr': ('Speed', 'learning rate', ''),
    'momentum': ('Speed', 'momentum', ''),
    'time': ('Speed', 'time of an iteration', 's'),
    'data_time': ('Speed', 'time of an iteration', 's'),
    'memory': ('Speed', 'memory of the GPU', 'MB'),
}
_ORDER = ('Loss', 'kNN', 'Mining', 'GAN', 'Speed')
_TOP = re.compile(r'knn/(.*)_top(\d+)')
# What tells how a run went, and is shown at once: the others have to be
# asked for.
_MAIN = {
    ('Loss', 'loss'),
    ('kNN', 'kNN top-1 accuracy'),
    ('Mining', 'purity of edges'),
    ('Mining', 'purity of clusters'),
    ('Mining', 'neighbours per image'),
    ('Mining', 'largest degree'),
}


def make_curves(scalars: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """All numbers over encoder epochs, as charts.

    Values of one epoch, such as the losses of its iterations, are averaged;
    of more than 500 epochs 500 are kept, evenly spread. Accuracies of kNN
    among as many predictions share a chart, and so do kinds of edges and
    times of an iteration; every other number, such as a term of the loss,
    has its own.

    Args:
        scalars (Sequence[dict]): Log records. The epoch of a record is its
            ``epoch``, or its ``step`` if it has none, as for validations.

    Returns:
        list[dict]: ``group``, ``title``, ``unit``, ``main``, whether it is
        one of the few that tell how a run went, and ``series``, of which each
        has ``label``, ``x`` and ``y``; NaN and infinity are None.
    """
    charts: dict[tuple[str, str], dict[str, Any]] = {}
    for key in sorted(_names(scalars), key=_rank):
        values = epoch_means(scalars, key)
        group, title, unit = _place(key)
        chart = charts.setdefault(
            (group, title),
            dict(
                group=group,
                title=title,
                unit=unit,
                main=(group, title) in _MAIN,
                series=[],
            ),
        )
        # Accuracies are logged in percent, shares are not.
        scale = 100 if unit == '%' and group == 'Mining' else 1
        epochs = list(values)
        kept = [epochs[i] for i in spread_evenly(len(epochs), MAX_POINTS)]
        chart['series'].append(
            dict(
                label=_label(key),
                x=kept,
                y=[_finite(scale * values[epoch]) for epoch in kept],
            )
        )
    return list(charts.values())


def round_ends(scalars: Sequence[dict[str, Any]]) -> list[float]:
    """Epochs after which was mined, ascending."""
    return list(epoch_means(scalars, ROUND_KEY))


def stage_times(
    scalars: Sequence[dict[str, Any]],
) -> list[tuple[str, float, int]]:
    """Seconds of every kind of stage, and how many there were.

    They stand in the order of a round, other kinds last. Without records of
    stages, as of a run of an earlier version, only mining is known.
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
    known = [name for name in _STAGES if name in seconds]
    names = dict.fromkeys([*known, *seconds])
    return [(name, sum(seconds[name]), len(seconds[name])) for name in names]


def _names(scalars: Sequence[dict[str, Any]]) -> set[str]:
    """Of all numbers that have a curve."""
    return {
        key
        for record in scalars
        for key, value in record.items()
        if isinstance(value, (int, float))
        and key not in _SKIPPED
        and not key.startswith(_STAGE)
    }


def _place(key: str) -> tuple[str, str, str]:
    """Group, title and unit of the chart that a number belongs to."""
    prefix, _, name = key.rpartition('/')
    if not prefix and 'loss' in name:
        return 'Loss', name.replace('_', ' '), ''
    if top := _TOP.fullmatch(key):
        return 'kNN', f'kNN top-{top[2]} accuracy', '%'
    for begin, (group, title, unit) in _CHARTS.items():
        if key == begin or begin[-1] in '/_' and key.startswith(begin):
            return group, title or name.replace('_', ' '), unit
    return (prefix or 'Other').capitalize(), name.replace('_', ' '), ''


def _label(key: str) -> str:
    """Of a number among those of its chart."""
    top = _TOP.fullmatch(key)
    return top[1] if top else key.rpartition('/')[2]


def _rank(key: str) -> tuple[int, int, str]:
    """Place of a number among all: by group, and there as listed."""
    group, title, _ = _place(key)
    listed = [chart[:2] for chart in _CHARTS.values()]
    where = (group, title)
    return (
        _ORDER.index(group) if group in _ORDER else len(_ORDER),
        listed.index(where) if where in listed else len(listed),
        key,
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
