"""Purity by round: mined, of plain neighbours, and how often found again."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .cells import Runs, values_of
from .pictures import WIDTH_INCHES, Picture
from .reading import Results
from .rounds import by_round
from .styles import prepare_axes

# Lines of every panel, told apart by dash and marker.
_LINES: Mapping[str, tuple[str, dict[str, Any]]] = {
    'purity': ('mined', dict(color='#0072b2', marker='o', linestyle='-')),
    'control_purity': (
        'plain neighbours',
        dict(color='#808080', marker='s', linestyle=':', mfc='none'),
    ),
    'replication': (
        'found again, without labels',
        dict(color='#d55e00', marker='^', linestyle='--'),
    ),
}
_PANEL_INCHES, _MAX_COLUMNS = 2.2, 4

# Round, mean and deviation of every point, by the key of its line.
Lines = Mapping[str, list[tuple[int, float, float]]]


def purity_picture(results: Results) -> Picture | None:
    """The picture of a file; None where no purity is known."""
    panels = {
        name: lines
        for name, runs in results.by_name().items()
        if (lines := purity_lines(runs))
    }
    if not panels:
        return None
    return Picture(
        what='purity of mined pairs, by round',
        names=list(panels),
        numbers=[[name, dict(lines)] for name, lines in panels.items()],
        draw=lambda: _draw(panels),
    )


def purity_lines(runs: Runs) -> Lines:
    """Lines of one method, in percent; those without a point are left out."""
    lines: dict[str, list[tuple[int, float, float]]] = {}
    for number, mined in by_round(runs).items():
        for key in _LINES:
            values = values_of(mined, key, scale=100)
            if not values:
                continue
            spread = statistics.stdev(values) if len(values) > 1 else 0
            point = (number, statistics.fmean(values), spread)
            lines.setdefault(key, []).append(point)
    return lines


def _draw(panels: Mapping[str, Lines]) -> Figure:
    num_rows = math.ceil(len(panels) / _MAX_COLUMNS)
    num_columns = math.ceil(len(panels) / num_rows)
    figure = Figure(
        figsize=(WIDTH_INCHES, num_rows * _PANEL_INCHES + 0.4),
        layout='constrained',
    )
    all_axes = figure.subplots(
        num_rows, num_columns, squeeze=False, sharey=True
    )
    for axes, name in zip(all_axes.flat, panels):
        _draw_panel(axes, name, panels[name])
    for axes in all_axes.flat[len(panels) :]:
        axes.set_visible(False)
    for axes in all_axes[:, 0]:
        axes.set_ylabel('purity (%)', fontsize=8)
    # Not every panel has every line.
    found = {
        label: handle
        for axes in all_axes.flat
        for handle, label in zip(*axes.get_legend_handles_labels())
    }
    figure.legend(
        found.values(),
        found.keys(),
        loc='outside lower center',
        ncols=len(found),
        fontsize=8,
        frameon=False,
    )
    return figure


def _draw_panel(axes: Axes, name: str, lines: Lines) -> None:
    prepare_axes(axes, name)
    axes.set_xlabel('round', fontsize=8)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    for key, points in lines.items():
        label, style = _LINES[key]
        numbers, means, spreads = zip(*points)
        axes.errorbar(
            numbers,
            means,
            yerr=spreads,
            label=label,
            markersize=5,
            linewidth=1.4,
            elinewidth=0.8,
            capsize=2,
            **style,
        )
    # A single round would be drawn between fractions of rounds.
    rounds = {number for points in lines.values() for number, _, _ in points}
    axes.set_xlim(min(rounds) - 0.5, max(rounds) + 0.5)
