"""What the miners have found, as a table for a terminal."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from drawing.cells import cell, values_of
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

# Heading, key, multiplied by.
_COLUMNS = (
    ('purity', 'purity', 100),
    ('kNN', 'control_purity', 100),
    ('found again', 'replication', 100),
    ('pixels', 'pixel_distance', 100),
    ('kNN', 'control_pixel_distance', 100),
    ('covered', 'coverage', 100),
)
_TITLE = (
    'Mined from an empty graph, {quota:g} neighbours an image asked for.\n'
    'Purity, distance in pixels and images covered in %; kNN: as many edges '
    'between plain\nnearest neighbours'
)


def print_table(
    console: Console, quota: float, runs: Sequence[dict[str, Any]]
) -> None:
    """Show the runs of one quota, a row a variant, mean over the seeds.

    Args:
        console (Console): To print on.
        quota (float): Of all runs.
        runs (Sequence[dict]): As the file of results has them.
    """
    columns = [c for c in _COLUMNS if any(c[1] in run for run in runs)]
    table = Table(
        title=_TITLE.format(quota=quota),
        title_justify='left',
        box=SIMPLE_HEAD,
        padding=(0, 0, 0, 1),
    )
    headings = ['edges', *(c[0] for c in columns), 'most', 's']
    for heading in ['miner', *headings]:
        table.add_column(
            heading, justify='left' if heading == 'miner' else 'right'
        )
    for name in dict.fromkeys(run['name'] for run in runs):
        own = [run for run in runs if run['name'] == name]
        cells = [
            cell(values_of(own, key, scale=scale)) for _, key, scale in columns
        ]
        row = [
            name,
            f'{statistics.fmean(run["edges"] for run in own):.0f}',
            *cells,
            str(max(run['max_degree'] for run in own)),
            f'{statistics.fmean(run["seconds"] for run in own):.1f}',
        ]
        # What a user calls a miner is no markup.
        table.add_row(*map(Text, row))
    console.print(table)
