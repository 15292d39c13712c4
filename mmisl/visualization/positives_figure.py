"""The supplement's Figure 1: positives of anchors, run by run."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from .image_cells import (
    NEUTRAL_COLOR,
    RIGHT_COLOR,
    TEXT_COLOR,
    WRONG_COLOR,
    Labels,
    class_name,
    draw_cell,
    is_same_class,
)
from .plain_text import clean, plain_text, shorten
from .saving import save_figure

# One unit is the side of an image.
_INCHES_PER_UNIT = 0.62
_GAP = 0.14
_NAME_HEIGHT = 0.24
_ANCHOR_SIDE = 1.5
_ANCHOR_NAME_HEIGHT = 2 * _NAME_HEIGHT  # class and number
_RUN_GAP = 0.45  # between an anchor and the names of runs
_BLOCK_GAP = 0.34  # between anchors
_PANEL_GAP = 0.5  # between rounds, and between columns of anchors
_LINE_HEIGHT = 0.26
_MARGIN = 0.2
_LETTERS_PER_UNIT = 9.5  # of the size that notes are written in
_RUN_LETTERS = 14
_MIN_POSITIVES = 5  # a row is no narrower, for the sake of its heading


@dataclass(frozen=True)
class RunPositives:
    """What one run held for the positives of the anchors at one time.

    Attributes:
        run: Name of the run, at the left of its rows.
        note: What there is to say of all its positives at that time, such as
            their purity.
        neighbors: Sample indices per anchor, the most similar first; None
            where the run had none at all.
        cosine: Their similarity, alike; shown where classes are not known.
        missing: What stands in place of ``neighbors`` that are None.
    """

    run: str
    note: str = ''
    neighbors: Mapping[int, Sequence[int]] | None = None
    cosine: Mapping[int, Sequence[float]] = field(default_factory=dict)
    missing: str = 'nothing mined yet'


@dataclass(frozen=True)
class RoundPositives:
    """What all runs held at one time.

    Attributes:
        title: Such as ``'round 1, after epoch 20'``.
        runs: The same in every round, in the order of their rows.
    """

    title: str
    runs: Sequence[RunPositives]


def draw_positives(
    images: Mapping[int, ArrayLike] | Sequence[ArrayLike],
    rounds: Sequence[RoundPositives],
    *,
    anchors: Sequence[int],
    paths: Sequence[str | os.PathLike[str]],
    labels: Labels | None = None,
    class_names: Sequence[str] | None = None,
    max_neighbors: int = 8,
    title: str = '',
) -> list[Path]:
    """Draw anchors with the positives that each run has found for them.

    At the left an anchor with its class and number, beside it one row a run;
    rounds stand side by side.
    A positive of the anchor's class has a green frame, one of another class
    a red one and the name of its class below. Where classes are not known
    there are no frames, and the cosine to the anchor stands below.

    The form is that of figure 1 of the paper's supplement.

    Args:
        images (Mapping | Sequence): Image by sample index, (H, W, 3) or
            (H, W) uint8, or from PIL.
        rounds (Sequence[RoundPositives]): At least one, of the same runs.
        anchors (Sequence[int]): Sample indices, at least one, from top to
            bottom; of a single round in two columns if there are many.
        paths (Sequence[str | PathLike]): Files to write, such as a ``.png``
            and a ``.pdf``.
        labels (Labels, optional): (N,) class of every sample, negative where
            unknown.
        class_names (Sequence[str], optional): (C,) names; without them the
            class number is shown.
        max_neighbors (int): Positives drawn of a run, at least 1. Defaults
            to 8.
        title (str): Text on top. Defaults to none.

    Returns:
        list[Path]: The files that were written.

    Raises:
        ValueError: If there is no anchor or round, or ``max_neighbors`` is
            smaller than 1.
    """
    if not anchors or not rounds or max_neighbors < 1:
        raise ValueError(
            'draw_positives needs at least one anchor, one round and one '
            f'positive, got {len(anchors)}, {len(rounds)} and {max_neighbors}'
        )
    runs = [run for moment in rounds for run in moment.runs]
    longest = max(
        len((run.neighbors or {}).get(anchor, ()))
        for run in runs
        for anchor in anchors
    )
    max_neighbors = min(max_neighbors, max(longest, _MIN_POSITIVES))
    texts = [title, *(moment.title for moment in rounds)]
    texts += [text for run in runs for text in (run.run, run.note)]
    with plain_text([*texts, *(class_names or ()), '…']):
        page = _Page.of(rounds, len(anchors), max_neighbors, title)
        axes = page.make_axes()
        _draw_head(axes, page, rounds, title, has_labels=labels is not None)
        for place, anchor in enumerate(anchors):
            corner = page.block_corner(place)
            name = class_name(anchor, labels, class_names)
            # The number is what finds the image again.
            name = f'{name}\nimage {anchor}'.lstrip()
            _draw_anchor(axes, page, images[anchor], name, corner)
            _draw_run_names(axes, page, rounds[0].runs, corner)
            for row, panel, run in _cells(rounds):
                left = corner[0] + page.panel_left(panel)
                top = corner[1] + row * _ROW_HEIGHT
                _draw_row(
                    axes,
                    _positives(run, anchor, images, labels, class_names)[
                        :max_neighbors
                    ],
                    empty=(
                        run.missing
                        if run.neighbors is None
                        else 'no positives'
                    ),
                    corner=(left, top),
                )
        return save_figure(axes.get_figure(), paths)


_ROW_HEIGHT = 1 + _NAME_HEIGHT + _GAP


@dataclass(frozen=True)
class _Page:
    """Where things stand, in units, from the corner of the first block."""

    num_runs: int
    run_width: float
    num_panels: int
    num_columns: int
    rows_a_column: int
    max_neighbors: int
    head_height: float

    @classmethod
    def of(
        cls,
        rounds: Sequence[RoundPositives],
        num_anchors: int,
        max_neighbors: int,
        title: str,
    ) -> _Page:
        # A single round of many anchors would be a narrow strip.
        num_columns = 2 if len(rounds) == 1 and num_anchors > 4 else 1
        notes = max(sum(bool(r.note) for r in m.runs) for m in rounds)
        longest = max(min(len(r.run), _RUN_LETTERS) for r in rounds[0].runs)
        num_lines = (1.4 if title else 0) + 1 + notes
        return cls(
            num_runs=len(rounds[0].runs),
            run_width=_RUN_GAP + longest / _LETTERS_PER_UNIT + _GAP,
            num_panels=len(rounds),
            num_columns=num_columns,
            rows_a_column=math.ceil(num_anchors / num_columns),
            max_neighbors=max_neighbors,
            head_height=num_lines * _LINE_HEIGHT + _GAP,
        )

    @property
    def panel_width(self) -> float:
        return self.max_neighbors * (1 + _GAP) - _GAP

    @property
    def block_width(self) -> float:
        panels = self.num_panels * (self.panel_width + _PANEL_GAP)
        return self.panel_left(0) + panels - _PANEL_GAP

    @property
    def block_height(self) -> float:
        # A single row is lower than an anchor with its name.
        rows = self.num_runs * _ROW_HEIGHT - _GAP
        return max(rows, _ANCHOR_SIDE + _ANCHOR_NAME_HEIGHT)

    def panel_left(self, panel: int) -> float:
        first = _ANCHOR_SIDE + self.run_width
        return first + panel * (self.panel_width + _PANEL_GAP)

    def block_corner(self, place: int) -> tuple[float, float]:
        column, row = divmod(place, self.rows_a_column)
        left = column * (self.block_width + 1.6 * _PANEL_GAP)
        return left, row * (self.block_height + _BLOCK_GAP)

    def make_axes(self) -> Axes:
        right, bottom = self.block_corner(
            self.num_columns * self.rows_a_column - 1
        )
        right += self.block_width + _MARGIN
        bottom += self.block_height + _MARGIN
        top = -self.head_height - _MARGIN
        width, height = right + _MARGIN, bottom - top
        figure = Figure(
            figsize=(width * _INCHES_PER_UNIT, height * _INCHES_PER_UNIT),
            facecolor='white',
        )
        axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        axes.set_axis_off()
        axes.set_xlim(-_MARGIN, right)
        axes.set_ylim(bottom, top)
        return axes


@dataclass(frozen=True)
class _Positive:
    """One image of a row."""

    image: ArrayLike
    color: str | None
    text: str


def _cells(
    rounds: Sequence[RoundPositives],
) -> Iterator[tuple[int, int, RunPositives]]:
    """Row, panel and content of all that is drawn beside an anchor."""
    for panel, moment in enumerate(rounds):
        for row, run in enumerate(moment.runs):
            yield row, panel, run


def _positives(
    run: RunPositives,
    anchor: int,
    images: Mapping[int, ArrayLike] | Sequence[ArrayLike],
    labels: Labels | None,
    class_names: Sequence[str] | None,
) -> list[_Positive]:
    neighbors = (run.neighbors or {}).get(anchor, ())
    cosine = run.cosine.get(anchor, [math.nan] * len(neighbors))
    found = []
    for neighbor, similarity in zip(neighbors, cosine):
        same = is_same_class(anchor, neighbor, labels)
        color, text = None, ''
        if same is None:
            text = '' if math.isnan(similarity) else f'{similarity:.2f}'
        elif same:
            color = RIGHT_COLOR
        else:
            color = WRONG_COLOR
            text = class_name(neighbor, labels, class_names)
        found.append(_Positive(images[neighbor], color, text))
    return found


def _draw_head(
    axes: Axes,
    page: _Page,
    rounds: Sequence[RoundPositives],
    title: str,
    *,
    has_labels: bool,
) -> None:
    top = -page.head_height + 0.5 * _LINE_HEIGHT
    if title:
        axes.text(0, top, clean(title), size=9.5, weight='bold', **_MIDDLE)
        top += 1.4 * _LINE_HEIGHT
    _draw_legend(axes, has_labels=has_labels)
    letters = int(page.panel_width * _LETTERS_PER_UNIT)
    if page.num_columns > 1:
        letters = int(letters * 1.6)
    for panel, moment in enumerate(rounds):
        left, line = page.panel_left(panel), top
        heading = shorten(moment.title, letters)
        axes.text(left, line, heading, size=8, weight='bold', **_MIDDLE)
        for run in moment.runs:
            if run.note:
                line += _LINE_HEIGHT
                note = shorten(f'{run.run}: {run.note}', letters)
                axes.text(left, line, note, size=7, **_MIDDLE)


_MIDDLE = dict(va='center', color=TEXT_COLOR)


def _draw_legend(axes: Axes, *, has_labels: bool) -> None:
    # Above the first anchor, where no round has its heading.
    lines = [('below: cosine to the anchor', TEXT_COLOR)]
    if has_labels:
        lines = [('same class', RIGHT_COLOR), ('other class', WRONG_COLOR)]
    for place, (text, color) in enumerate(reversed(lines)):
        line = -_GAP - (place + 0.5) * _LINE_HEIGHT
        axes.text(0, line, text, size=7, va='center', color=color)


def _draw_anchor(
    axes: Axes,
    page: _Page,
    image: ArrayLike,
    name: str,
    corner: tuple[float, float],
) -> None:
    slack = page.block_height - _ANCHOR_SIDE - _ANCHOR_NAME_HEIGHT
    top = corner[1] + max(slack, 0) / 2
    draw_cell(
        axes,
        image,
        corner=(corner[0], top),
        color=None,
        name=name,
        side=_ANCHOR_SIDE,
    )


def _draw_run_names(
    axes: Axes,
    page: _Page,
    runs: Sequence[RunPositives],
    corner: tuple[float, float],
) -> None:
    right = corner[0] + page.panel_left(0) - _GAP
    for row, run in enumerate(runs):
        axes.text(
            right,
            corner[1] + row * _ROW_HEIGHT + 0.5,
            shorten(run.run, _RUN_LETTERS),
            ha='right',
            va='center',
            size=7.5,
            color=TEXT_COLOR,
        )


def _draw_row(
    axes: Axes,
    positives: Sequence[_Positive],
    *,
    empty: str,
    corner: tuple[float, float],
) -> None:
    left, top = corner
    if not positives:
        axes.text(
            left, top + 0.5, empty, va='center', size=7.5, color=NEUTRAL_COLOR
        )
    for column, positive in enumerate(positives):
        draw_cell(
            axes,
            positive.image,
            corner=(left + column * (1 + _GAP), top),
            color=positive.color,
            name=positive.text,
        )
