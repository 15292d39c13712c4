"""Purity as estimated without labels, against what it is."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from .miners import by_quota
from .pictures import Picture
from .reading import Results
from .styles import line_style, prepare_axes

# Estimate and purity of every run, in percent, by the name of its points.
Points = Mapping[str, list[tuple[float, float]]]


def estimate_picture(results: Results) -> Picture | None:
    """The picture of a file; None where nothing was estimated."""
    points = {
        name_of(quota): pairs
        for quota, runs in by_quota(results.runs).items()
        if (
            pairs := [
                (100 * run['estimated_purity'], 100 * run['purity'])
                for run in runs
                if 'estimated_purity' in run and 'purity' in run
            ]
        )
    }
    if not points:
        return None
    return Picture(
        what='purity as estimated without labels, against what it is',
        names=list(points),
        numbers=[[name, pairs] for name, pairs in points.items()],
        draw=lambda: _draw(points),
    )


def name_of(quota: float | None) -> str:
    """What the legend says of a number of neighbours."""
    if quota is None:
        return 'not told'
    return f'{quota:g}'


def _draw(points: Points) -> Figure:
    figure = Figure(figsize=(6, 4.2), layout='constrained')
    axes = figure.subplots()
    prepare_axes(axes, '')
    axes.grid(axis='x', color='#e6e6e6')
    for index, (name, pairs) in enumerate(points.items()):
        style = {**line_style(index), 'linestyle': 'none', 'markersize': 6}
        axes.plot(*zip(*pairs), label=name, **style)
    every = [value for p in points.values() for pair in p for value in pair]
    ends = [min(every), max(every)]
    axes.plot(ends, ends, color='#808080', ls='--', lw=1, label='exact')
    axes.set_aspect('equal')
    axes.set_xlabel('estimated purity (%)', fontsize=8)
    axes.set_ylabel('purity (%)', fontsize=8)
    figure.legend(
        loc='outside right center',
        title='neighbours per image',
        title_fontsize=8,
        fontsize=8,
        frameon=False,
    )
    return figure
