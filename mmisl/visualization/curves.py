"""Training curves from mmengine's scalar log."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mmisl.runs.scalars import (
    ROUND_KEY,
    epoch_means,
    epoch_of,
    read_scalars,
)

COLORS = ('#1f77b4', '#ff7f0e', '#2ca02c', '#9467bd', '#8c564b', '#17becf')
_PANEL_INCHES = (3.6, 2.6)
_MAX_COLUMNS = 3


def draw_curves(
    scalars: Sequence[Mapping] | str | os.PathLike[str],
    panels: Mapping[str, Sequence[str]],
    *,
    path: str | os.PathLike[str],
    title: str = '',
) -> Path:
    """Draw logged numbers over encoder epochs, with the ends of rounds.

    Values of one epoch, such as the losses of its iterations, are averaged.
    A panel whose numbers were never logged says so.

    Args:
        scalars (Sequence[Mapping] | str | PathLike): Log records or the
            ``scalars.json`` that holds them. The epoch of a record is its
            ``epoch``, or its ``step`` if it has none, as for validations.
        panels (Mapping[str, Sequence[str]]): Title of each panel and the
            numbers in it, e.g. ``{'kNN (%)': ['knn/bank_top1']}``.
        path (str | PathLike): Picture to write, usually a PNG.
        title (str): Text on top. Defaults to none.

    Returns:
        Path: The picture that was written.

    Raises:
        ValueError: If there is no panel.
    """
    if not panels:
        raise ValueError(
            'panels must name at least one panel and its numbers, got none'
        )
    records = (
        read_scalars(scalars)
        if isinstance(scalars, str | os.PathLike)
        else scalars
    )
    num_rows = math.ceil(len(panels) / _MAX_COLUMNS)
    num_columns = math.ceil(len(panels) / num_rows)
    figure = Figure(
        figsize=(
            num_columns * _PANEL_INCHES[0],
            num_rows * _PANEL_INCHES[1] + (0.3 if title else 0),
        ),
        layout='constrained',
    )
    figure.get_layout_engine().set(w_pad=0.1, h_pad=0.08)
    if title:
        figure.suptitle(title, fontsize=11, weight='bold')
    round_ends = list(epoch_means(records, ROUND_KEY))
    last_epoch = max(map(epoch_of, records), default=0)
    for position, (name, keys) in enumerate(panels.items(), start=1):
        axes = figure.add_subplot(num_rows, num_columns, position)
        _draw_panel(axes, records, name=name, keys=keys)
        dashes = ' (dashed: mining)' if round_ends else ''
        axes.set_xlabel(f'epoch{dashes}', fontsize=8)
        for epoch in round_ends:
            axes.axvline(epoch, color='#bbbbbb', lw=0.8, ls='--', zorder=0)
        axes.set_xlim(0, max(last_epoch, 1))
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    return path


def _draw_panel(
    axes: Axes, records: Sequence[Mapping], *, name: str, keys: Sequence[str]
) -> None:
    axes.set_title(name, fontsize=9, loc='left')
    axes.tick_params(labelsize=7)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.spines[['top', 'right']].set_visible(False)
    axes.grid(axis='y', color='#eeeeee')
    drawn = 0
    for key in keys:
        series = epoch_means(records, key)
        if not series:
            continue
        color = COLORS[drawn % len(COLORS)]
        # Few points, such as one per round, need marks to be seen.
        marker = 'o' if len(series) <= 20 else None
        axes.plot(
            list(series),
            list(series.values()),
            color=color,
            marker=marker,
            markersize=3,
            linewidth=1.3,
            label=key.rpartition('/')[2],
            clip_on=False,
        )
        drawn += 1
    if drawn == 0:
        axes.set_yticks([])
        axes.text(
            0.5,
            0.5,
            'not logged',
            transform=axes.transAxes,
            ha='center',
            va='center',
            fontsize=8,
            color='#7f7f7f',
        )
    elif drawn > 1:
        axes.legend(fontsize=7, frameon=False)
