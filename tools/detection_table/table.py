"""The table of all cells, in Markdown, on the screen and as numbers."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from typing import Any

from drawing.cells import cell as mean_of_seeds
from rich.table import Table

from .cells import Cell
from .published import METRIC_NOTE, published
from .scores import METRICS

HEADER = (
    'cell',
    'pretrained',
    'runs',
    'AP50, 11 points',
    'AP50, area',
    'supplement',
    'minutes',
)


def summarise(
    cells: Sequence[Cell], results: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Mean and spread of every cell.

    Args:
        cells (Sequence[Cell]): In the order of the rows.
        results (Sequence[dict]): Of finished runs.

    Returns:
        list[dict]: One a cell, with its number of runs, and for each metric
        mean and sample standard deviation in percent, None where there are
        too few runs for it.
    """
    summary = []
    for cell in cells:
        own = [r for r in results if r['cell'] == cell.name]
        row: dict[str, Any] = dict(
            **vars(cell),
            runs=len(own),
            seeds=[r['seed'] for r in own],
            supplement=published(cell.published) if cell.published else None,
        )
        for name in METRICS:
            values = [r[name] for r in own]
            row[name] = dict(
                mean=statistics.fmean(values) if values else None,
                std=statistics.stdev(values) if len(values) > 1 else None,
            )
        summary.append(row)
    return summary


def make_rows(
    cells: Sequence[Cell], results: Sequence[dict[str, Any]]
) -> list[list[str]]:
    """The words of the table, row by row."""
    rows = []
    for cell, row in zip(cells, summarise(cells, results)):
        own = [r for r in results if r['cell'] == cell.name]
        seconds = [r['seconds'] for r in own if r['seconds'] is not None]
        number = row['supplement']
        rows.append(
            [
                cell.name,
                cell.checkpoint,
                str(row['runs']) if own else 'not run',
                *(mean_of_seeds([r[name] for r in own]) for name in METRICS),
                '-' if number is None else f'{number:.1f}',
                mean_of_seeds([value / 60 for value in seconds]),
            ]
        )
    return rows


def as_markdown(
    rows: Sequence[Sequence[str]],
    results: Sequence[dict[str, Any]],
    *,
    command: str,
) -> str:
    """The table, what it shows, and what made it.

    Args:
        rows (Sequence[Sequence[str]]): From :func:`make_rows`.
        results (Sequence[dict]): Of the same runs.
        command (str): That was given.
    """
    lines = [HEADER, ['---'] * len(HEADER), *rows]
    table = '\n'.join(f'| {" | ".join(line)} |' for line in lines)
    made_by = {
        ', '.join(f'{name} {value}' for name, value in r['versions'].items())
        + f', commit {r["commit"]}'
        for r in results
    }
    return (
        f'{table}\n\nVOC2007 mAP at IoU 0.5 of the last checkpoint, in '
        'percent: mean ± sample standard deviation over the runs, which '
        'differ by their seeds. Both columns are of the same detections. '
        'Minutes are of a machine that may have been shared. Supplement: '
        f"Table 1 of the paper's supplement. {METRIC_NOTE}\n\n"
        f'```\n{command}\n```\n\n{time.strftime("%Y-%m-%d")}. '
        f'{"; ".join(sorted(made_by)) or "Nothing was run"}.\n'
    )


def as_rich(rows: Sequence[Sequence[str]]) -> Table:
    """The table for a terminal."""
    table = Table(title='VOC2007 detection, AP50 in percent')
    for index, name in enumerate(HEADER):
        table.add_column(name, justify='left' if index < 2 else 'right')
    for row in rows:
        table.add_row(*row)
    return table
