"""kNN accuracy over epochs, with a band for the seeds."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .cells import Runs
from .pairing import without_mining
from .pictures import WIDTH_INCHES, Picture
from .reading import Results
from .styles import line_style, prepare_axes

# The better of two measures of one thing first: features of a bank are as old
# as their last visit.
_CURVES = {
    'knn/recomputed_top1': 'kNN top-1 (%)',
    'knn/bank_top1': 'kNN top-1 (%), against the bank',
}
_HEIGHT_INCHES = 3.0  # without the legend
_INCHES_A_LINE = 0.17  # of the legend


@dataclass(frozen=True)
class SeedCurve:
    """A number of one method over epochs.

    Attributes:
        name: Of the method.
        epochs: At which all seeds were measured, ascending.
        means: Over the seeds.
        deviations: Over the seeds; 0 for a single one.
    """

    name: str
    epochs: list[float]
    means: list[float]
    deviations: list[float]


def knn_picture(results: Results) -> Picture | None:
    """The picture of a file; None where no curve is known."""
    key = max(
        _CURVES, key=lambda key: sum(key in c for c in _curves_of(results))
    )
    panels = {}
    for title, group in group_methods(results.by_name()).items():
        curves = [seed_curve(name, runs, key) for name, runs in group.items()]
        known = [curve for curve in curves if curve is not None]
        if known:
            panels[title] = known
    if not panels:
        return None
    return Picture(
        what='kNN accuracy over epochs',
        names=[*panels, *results.by_name()],
        numbers=[
            _CURVES[key],
            [[t, [asdict(c) for c in curves]] for t, curves in panels.items()],
        ],
        draw=lambda: _draw(panels, _CURVES[key]),
    )


def _curves_of(results: Results) -> list[Mapping[str, object]]:
    return [run.get('curves', {}) for run in results.runs]


def group_methods(groups: Mapping[str, Runs]) -> dict[str, dict[str, Runs]]:
    """Methods of each panel by its title.

    One panel for each method that others mine on top of, with these: that is
    the comparison that was made; and one for all that is left.
    """
    panels: dict[str, dict[str, Runs]] = {}
    others = dict(groups)
    bases = {name: without_mining(name, groups) for name in groups}
    for base in dict.fromkeys(b for b in bases.values() if b is not None):
        mined = [name for name in groups if bases[name] == base]
        panels[f'{base}, and with mining'] = {
            name: others.pop(name) for name in (base, *mined)
        }
    if others:
        panels['other methods' if panels else 'all methods'] = others
    return panels


def seed_curve(name: str, runs: Runs, key: str) -> SeedCurve | None:
    """Mean curve of a method; None if its seeds have no epoch in common.

    A seed without the curve does not count. Epochs that one of the others
    lacks are left out: a mean over fewer seeds would make a step that no run
    has made.
    """
    curves = [
        dict(map(tuple, run['curves'][key]))
        for run in runs
        if run.get('curves', {}).get(key)
    ]
    epochs = sorted(set.intersection(*map(set, curves))) if curves else []
    if not epochs:
        return None
    values = [[curve[epoch] for curve in curves] for epoch in epochs]
    return SeedCurve(
        name,
        epochs,
        [statistics.fmean(v) for v in values],
        [statistics.stdev(v) if len(v) > 1 else 0 for v in values],
    )


def _draw(panels: Mapping[str, Sequence[SeedCurve]], label: str) -> Figure:
    num_lines = max(len(curves) for curves in panels.values())
    height = _HEIGHT_INCHES + _INCHES_A_LINE * num_lines
    figure = Figure(figsize=(WIDTH_INCHES, height), layout='constrained')
    all_axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (title, curves) in zip(all_axes, panels.items()):
        prepare_axes(axes, title)
        axes.set_xlabel('epoch', fontsize=8)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        for index, curve in enumerate(curves):
            _draw_curve(axes, curve, index)
        axes.set_ylim(bottom=_lowest(curves))
        axes.legend(
            loc='upper center',
            bbox_to_anchor=(0.5, -0.16),
            fontsize=8,
            frameon=False,
        )
    all_axes[0].set_ylabel(label, fontsize=8)
    return figure


def _lowest(curves: Sequence[SeedCurve]) -> float:
    """Least value after the steep beginning, where the axis starts.

    From 0 on the differences of the end, which are asked for, would be as
    thin as the lines.
    """
    start = max(curve.epochs[-1] for curve in curves) / 3
    return min(
        mean - deviation
        for curve in curves
        for epoch, mean, deviation in zip(
            curve.epochs, curve.means, curve.deviations
        )
        if epoch >= start or epoch == curve.epochs[-1]
    )


def _draw_curve(axes: Axes, curve: SeedCurve, index: int) -> None:
    style = line_style(index)
    axes.plot(curve.epochs, curve.means, label=curve.name, **style)
    spreads = list(zip(curve.means, curve.deviations))
    axes.fill_between(
        curve.epochs,
        [mean - deviation for mean, deviation in spreads],
        [mean + deviation for mean, deviation in spreads],
        color=style['color'],
        alpha=0.15,
        linewidth=0,
    )
