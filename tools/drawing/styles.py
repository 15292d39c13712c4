"""How lines of pictures look: told apart in colour, without, and in grey."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes

# Colours of Okabe and Ito (2008), which differ for all kinds of colour
# vision; the marker tells them apart in grey.
_COLORS = (
    '#000000',
    '#e69f00',
    '#0072b2',
    '#d55e00',
    '#009e73',
    '#cc79a7',
    '#56b4e9',
)
_MARKERS = 'os^Dv<>PX*h'
_DASHES = ('-', '--', ':')  # when the colours begin again


def line_style(index: int) -> dict[str, Any]:
    """Colour, dashes and marker of the line with a number from 0."""
    turn, color = divmod(index, len(_COLORS))
    return dict(
        color=_COLORS[color],
        linestyle=_DASHES[turn % len(_DASHES)],
        marker=_MARKERS[index % len(_MARKERS)],
        markersize=4,
        linewidth=1.4,
    )


def prepare_axes(axes: Axes, title: str) -> None:
    """A panel without what draws the eye away from its lines."""
    axes.set_title(title, fontsize=9, loc='left')
    axes.tick_params(labelsize=8)
    axes.spines[['top', 'right']].set_visible(False)
    axes.grid(axis='y', color='#e6e6e6')
