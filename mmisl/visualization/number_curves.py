"""Numbers of several runs over epochs, one panel a number."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from .curves import COLORS
from .plain_text import plain_text, shorten
from .saving import save_figure

_PANEL_INCHES = (3.2, 2.3)
_MAX_COLUMNS = 3
_LEGEND_INCHES = 0.28
_NAME_LETTERS = 40


@dataclass(frozen=True)
class NumberCurve:
    """One number of one run.

    Attributes:
        run: Name; each run has a colour.
        epochs: Where the number was measured, ascending.
        values: The number; NaN where there is none.
        is_control: Whether it is of the run's control, which is dashed.
    """

    run: str
    epochs: Sequence[float]
    values: Sequence[float]
    is_control: bool = False


def draw_number_curves(
    panels: Mapping[str, Sequence[NumberCurve]],
    *,
    paths: Sequence[str | os.PathLike[str]],
    control: str = 'control',
) -> list[Path]:
    """Draw one panel a number and one line a run.

    Args:
        panels (Mapping[str, Sequence[NumberCurve]]): Curves by the title of
            their panel, at least one; a panel without a number says so.
        paths (Sequence[str | PathLike]): Files to write.
        control (str): What dashed lines are, for the legend.

    Returns:
        list[Path]: The files.

    Raises:
        ValueError: If there is no panel.
    """
    if not panels:
        raise ValueError('panels must name at least one number, got none')
    curves = [curve for drawn in panels.values() for curve in drawn]
    runs = list(dict.fromkeys(curve.run for curve in curves))
    colors = {run: COLORS[i % len(COLORS)] for i, run in enumerate(runs)}
    num_rows = math.ceil(len(panels) / _MAX_COLUMNS)
    num_columns = math.ceil(len(panels) / num_rows)
    with plain_text([*panels, *runs, control, '…']):
        figure = Figure(
            figsize=(
                num_columns * _PANEL_INCHES[0],
                num_rows * _PANEL_INCHES[1] + _LEGEND_INCHES,
            ),
            layout='constrained',
        )
        figure.get_layout_engine().set(w_pad=0.08, h_pad=0.08)
        for place, (title, drawn) in enumerate(panels.items(), start=1):
            axes = figure.add_subplot(num_rows, num_columns, place)
            _draw_panel(axes, title, drawn, colors)
        has_control = any(curve.is_control for curve in curves)
        _draw_legend(figure, colors, control if has_control else '')
        return save_figure(figure, paths)


def _draw_panel(
    axes: Axes,
    title: str,
    curves: Sequence[NumberCurve],
    colors: Mapping[str, str],
) -> None:
    axes.set_title(title, fontsize=9, loc='left')
    axes.set_xlabel('epoch', fontsize=8)
    axes.tick_params(labelsize=7)
    epochs = {epoch for curve in curves for epoch in curve.epochs}
    if len(epochs) == 1:  # no other whole number is near
        axes.set_xticks([*epochs])
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.spines[['top', 'right']].set_visible(False)
    axes.grid(axis='y', color='#eeeeee')
    is_empty = True
    for curve in curves:
        if all(map(math.isnan, curve.values)):
            continue
        is_empty = False
        axes.plot(
            curve.epochs,
            curve.values,
            color=colors[curve.run],
            marker='o',
            # A control that its run has not left is seen around it.
            markerfacecolor='none' if curve.is_control else None,
            markersize=5.5 if curve.is_control else 3,
            linestyle='--' if curve.is_control else '-',
            linewidth=1.3,
            clip_on=False,
        )
    if is_empty:
        axes.set_yticks([])
        axes.text(
            0.5,
            0.5,
            'not known',
            transform=axes.transAxes,
            ha='center',
            va='center',
            fontsize=8,
            color='#7f7f7f',
        )


def _draw_legend(
    figure: Figure, colors: Mapping[str, str], control: str
) -> None:
    lines = [Line2D([], [], color=c, marker='o') for c in colors.values()]
    names = [shorten(run, _NAME_LETTERS) for run in colors]
    if control:
        lines.append(
            Line2D(
                [], [], color='#555555', marker='o', mfc='none', linestyle='--'
            )
        )
        names.append(control)
    figure.legend(
        lines,
        names,
        loc='outside lower center',
        ncols=len(lines),
        fontsize=8,
        frameon=False,
    )
