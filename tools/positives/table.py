"""The numbers as a table, for a terminal and for a page."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .numbers import Numbers, RoundNumbers

CONTROL = 'plain kNN'
# Heading, the same for a terminal, key, multiplied by, decimal places.
_COLUMNS = (
    ('purity (%)', 'purity', 'purity', 100, 1),
    ('recall@10 (%)', 'R@10', 'recall_at_10', 100, 1),
    ('neighbours per image', 'mean', 'mean_degree', 1, 2),
    ('most', 'most', 'max_degree', 1, 0),
    ('hubs', 'hubs', 'num_hubs', 1, 0),
    ('far apart in pixels (%)', 'far', 'share_far', 100, 1),
    ('purity of these (%)', 'purity far', 'purity_far', 100, 1),
)
_PLACE = ['round', 'run', 'epoch']
_TITLE = (
    'mined positives: purity, recall@10 and edges far apart in pixels in %;\n'
    'neighbours of an image, on average and at most'
)
_NOT_KNOWN = '-'


def rows(rounds: Sequence[RoundNumbers]) -> Iterator[list[str]]:
    """One row a run and round, with that of its plain neighbours below."""
    for entry in rounds:
        for run in entry.runs:
            place = [str(entry.round), run.run, str(run.epoch)]
            yield [*place, *_cells(run.mined)]
            if run.control is not None:
                yield [place[0], CONTROL, place[2], *_cells(run.control)]


def print_table(console: Console, rounds: Sequence[RoundNumbers]) -> None:
    """Show the table, rounds apart from each other."""
    table = Table(
        title=_TITLE,
        title_justify='left',
        box=SIMPLE_HEAD,
        padding=(0, 0, 0, 1),
    )
    for name in [*_PLACE, *(column[1] for column in _COLUMNS)]:
        table.add_column(name, justify='left' if name == 'run' else 'right')
    for entry in rounds:
        for row in rows([entry]):
            # Names of folders are no markup.
            style = 'dim' if row[1] == CONTROL else ''
            table.add_row(*(Text(cell) for cell in row), style=style)
        table.add_section()
    console.print(table)


def markdown(rounds: Sequence[RoundNumbers]) -> str:
    """The table as Markdown."""
    header = [*_PLACE, *(column[0] for column in _COLUMNS)]
    lines = [_line(header), '|' + '---|' * len(header)]
    lines += [_line(row) for row in rows(rounds)]
    return '\n'.join(lines) + '\n'


def _cells(numbers: Numbers) -> list[str]:
    return [
        f'{scale * numbers[key]:.{places}f}' if key in numbers else _NOT_KNOWN
        for _, _, key, scale, places in _COLUMNS
    ]


def _line(cells: Sequence[str]) -> str:
    escaped = (
        html.escape(cell, quote=False).replace('|', '\\|') for cell in cells
    )
    return f'| {" | ".join(escaped)} |'
