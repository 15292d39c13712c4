"""How often pairs are found again, against their purity."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from .miners import by_quota
from .pictures import Picture
from .reading import Results
from .styles import line_style, prepare_axes

# Replication and purity of every run, in percent, by the name of its points.
Points = Mapping[str, list[tuple[float, float]]]


def replication_picture(results: Results) -> Picture | None:
    """The picture of a file; None where replication is not known."""
    points = {
        name_of(quota): pairs
        for quota, runs in by_quota(results.runs).items()
        if (
            pairs := [
                (100 * run['replication'], 100 * run['purity'])
                for run in runs
                if 'replication' in run and 'purity' in run
            ]
        )
    }
    if not points:
        return None
    return Picture(
        what='how often pairs are found again, against their purity',
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
    axes.set_xlabel('found again by single views (%)', fontsize=8)
    axes.set_ylabel('purity (%)', fontsize=8)
    figure.legend(
        loc='outside right center',
        title='neighbours per image',
        title_fontsize=8,
        fontsize=8,
        frameon=False,
    )
    return figure
