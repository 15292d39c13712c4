"""Numbers of several seeds in a cell of a table."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Runs = Sequence[Mapping[str, Any]]
# How far apart the images of a pair are.
APART = 'root mean square difference of the images, mean over the pairs'


def values_of(runs: Runs, key: str, *, scale: float = 1) -> list[float]:
    """A number of all runs that have it.

    Args:
        runs (Sequence[Mapping]): Of one method.
        key (str): Name of the number.
        scale (float): What it is multiplied with, such as 100 for shares.
    """
    return [scale * run[key] for run in runs if key in run]


def cell(
    values: Sequence[float], *, digits: int = 1, signed: bool = False
) -> str:
    """Mean ± sample standard deviation, a dash without a value.

    Args:
        values (Sequence[float]): One a seed; of a single one there is no
            spread.
        digits (int): After the point.
        signed (bool): Whether a plus stands before what is not negative.
    """
    if not values:
        return '-'
    sign = '+' if signed else ''
    mean = f'{statistics.fmean(values):{sign},.{digits}f}'
    if len(values) == 1:
        return mean
    return f'{mean} ± {statistics.stdev(values):,.{digits}f}'


def cell_of(runs: Runs, key: str, *, scale: float = 1, digits: int = 1) -> str:
    """A number over the runs of a method.

    Where some of them lack it, the cell says how many have it: a mean over
    fewer seeds does not compare with its neighbours.
    """
    values = values_of(runs, key, scale=scale)
    text = cell(values, digits=digits)
    if 0 < len(values) < len(runs):
        return f'{text} ({len(values)} of {len(runs)})'
    return text


def mean_of(runs: Runs, key: str, *, scale: float = 1, digits: int = 0) -> str:
    """Mean alone, for what describes a run and is no result of it."""
    values = values_of(runs, key, scale=scale)
    return cell([statistics.fmean(values)] if values else [], digits=digits)


def pairs_found(runs: Runs) -> str:
    """Mined pairs, and how many were asked for where that is known."""
    found, asked = mean_of(runs, 'edges'), mean_of(runs, 'requested')
    return found if asked == '-' else f'{found} of {asked}'


def facts_sentence(facts: Mapping[str, Any], **texts: str) -> str:
    """What runs had in common, as a sentence behind a space.

    Args:
        facts (Mapping[str, Any]): By name.
        **texts (str): How each is put, in this order; those that are not
            known are left out.
    """
    parts = [text.format(facts[k]) for k, text in texts.items() if k in facts]
    return f' {", ".join(parts)}.' if parts else ''


def markdown_table(
    header: Sequence[str], rows: Iterable[Sequence[str]], *, num_texts: int = 1
) -> str:
    """A table whose columns behind the first texts are set to the right."""
    rule = ['---'] * num_texts + ['---:'] * (len(header) - num_texts)
    lines = [header, rule, *rows]
    return ''.join(f'| {" | ".join(line)} |\n' for line in lines)


def as_cell(text: str) -> str:
    """A name from elsewhere, kept from ending its cell."""
    return ' '.join(text.split()).replace('|', r'\|')
