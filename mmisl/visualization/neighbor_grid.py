"""A picture of anchors and their mined neighbours."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from torch import Tensor

from mmisl.structures import NeighborGraph

from .image_cells import (
    NEUTRAL_COLOR,
    RIGHT_COLOR,
    TEXT_COLOR,
    WRONG_COLOR,
    class_name,
    draw_cell,
    is_same_class,
)
from .plain_text import plain_text

# One unit is the side of an image.
_INCHES_PER_UNIT = 0.8
_GAP = 0.14
_ANCHOR_GAP = 0.4  # sets the anchors apart from their neighbours
_NAME_HEIGHT = 0.22
_HEADER_HEIGHT, _TITLE_HEIGHT = 0.24, 0.26
_MARGIN = 0.15
# Wide enough for the header and the legend above few columns.
_MIN_COLUMNS = 4


def nearest_neighbors(
    graph: NeighborGraph,
    feats: Tensor,
    *,
    anchors: Sequence[int],
    max_neighbors: int = 8,
) -> dict[int, list[int]]:
    """Neighbours of some anchors, the most similar first.

    Args:
        graph (NeighborGraph): Over N samples.
        feats (Tensor): (N, D) float, norm 1.
        anchors (Sequence[int]): Sample indices in [0, N).
        max_neighbors (int): Neighbours kept per anchor. Defaults to 8.

    Returns:
        dict[int, list[int]]: Per anchor, in the given order; empty for an
        anchor without neighbours.
    """
    chosen = {}
    for anchor in anchors:
        query = torch.tensor([anchor], device=graph.indptr.device)
        col = graph.neighbors(query)[1].to(feats.device)
        similarity = feats[col] @ feats[anchor]
        order = similarity.argsort(descending=True, stable=True)
        chosen[int(anchor)] = col[order][:max_neighbors].tolist()
    return chosen


def draw_neighbor_grid(
    images: Mapping[int, ArrayLike] | Sequence[ArrayLike],
    neighbors: Mapping[int, Sequence[int]],
    *,
    path: str | os.PathLike[str],
    labels: Sequence[int] | Tensor | None = None,
    class_names: Sequence[str] | None = None,
    title: str = '',
) -> Path:
    """Draw one row per anchor: the anchor, then its neighbours.

    A neighbour of the anchor's class is framed green, one of another class
    red with its class name below; without labels all frames are grey.

    The form is that of figure 1 of the paper's supplement.

    Args:
        images (Mapping | Sequence): Image by sample index, (H, W, 3) or
            (H, W) uint8, or from PIL.
        neighbors (Mapping[int, Sequence[int]]): Sample indices per anchor, in
            the order to draw them; see :func:`nearest_neighbors`.
        path (str | PathLike): Picture to write, usually a PNG.
        labels (Sequence[int] | Tensor, optional): (N,) class of every sample.
        class_names (Sequence[str], optional): (C,) names; without them the
            class number is shown.
        title (str): Text on top. Defaults to none.

    Returns:
        Path: The picture that was written.

    Raises:
        ValueError: If there is no anchor.
    """
    if not neighbors:
        raise ValueError(
            'neighbors must hold at least one anchor, got none; the graph '
            'may be empty, see the log of the mining stage'
        )
    with plain_text([title, *(class_names or ())]):
        figure = _draw(images, neighbors, labels, class_names, title)
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=150)
    return path


def _draw(
    images: Mapping[int, ArrayLike] | Sequence[ArrayLike],
    neighbors: Mapping[int, Sequence[int]],
    labels: Sequence[int] | Tensor | None,
    class_names: Sequence[str] | None,
    title: str,
) -> Figure:
    has_names = labels is not None
    row_height = 1 + _GAP + (_NAME_HEIGHT if has_names else 0)
    axes = _make_axes(
        num_columns=max(map(len, neighbors.values())),
        rows_height=len(neighbors) * row_height - _GAP,
        title_height=_TITLE_HEIGHT if title else 0.0,
    )
    _draw_header(axes, title, has_labels=has_names)
    for row, (anchor, found) in enumerate(neighbors.items()):
        top = row * row_height
        draw_cell(
            axes,
            images[anchor],
            corner=(0.0, top),
            color=NEUTRAL_COLOR,
            name=class_name(anchor, labels, class_names),
        )
        if not found:
            axes.text(
                _column_left(0),
                top + 0.5,
                'no neighbours',
                va='center',
                fontsize=8,
                color=NEUTRAL_COLOR,
            )
        for column, neighbor in enumerate(found):
            color = _frame_color(anchor, neighbor, labels)
            name = class_name(neighbor, labels, class_names)
            draw_cell(
                axes,
                images[neighbor],
                corner=(_column_left(column), top),
                color=color,
                name=name if color == WRONG_COLOR else '',
            )
    return axes.get_figure()


def _make_axes(
    *, num_columns: int, rows_height: float, title_height: float
) -> Axes:
    # Coordinates in units of one image, y downwards from the first row.
    left, right = -_MARGIN, _column_left(max(num_columns, _MIN_COLUMNS))
    top = -_HEADER_HEIGHT - title_height - _MARGIN
    bottom = rows_height + _MARGIN
    figure = Figure(
        figsize=(
            (right - left) * _INCHES_PER_UNIT,
            (bottom - top) * _INCHES_PER_UNIT,
        ),
        facecolor='white',
    )
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_axis_off()
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)
    return axes


def _column_left(column: int) -> float:
    return 1 + _ANCHOR_GAP + column * (1 + _GAP)


def _draw_header(axes: Axes, title: str, *, has_labels: bool) -> None:
    right = axes.get_xlim()[1] - _GAP
    texts = [
        (0.0, 'anchor', 'left', TEXT_COLOR),
        (_column_left(0), 'mined neighbours', 'left', TEXT_COLOR),
    ]
    if has_labels:
        texts += [
            (right - 0.95, 'same class', 'right', RIGHT_COLOR),
            (right, 'other class', 'right', WRONG_COLOR),
        ]
    for left, text, side, color in texts:
        axes.text(left, -_GAP, text, ha=side, fontsize=8, color=color)
    axes.text(
        0,
        -_HEADER_HEIGHT - _GAP,
        title,
        fontsize=9,
        weight='bold',
        color=TEXT_COLOR,
    )


def _frame_color(
    anchor: int, neighbor: int, labels: Sequence[int] | Tensor | None
) -> str:
    same = is_same_class(anchor, neighbor, labels)
    if same is None:
        return NEUTRAL_COLOR
    return RIGHT_COLOR if same else WRONG_COLOR
