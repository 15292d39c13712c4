"""A cell of a table: mean and spread over the seeds."""

from __future__ import annotations

import statistics


def spread(values: list[float]) -> str:
    """Mean and standard deviation of a cell; a dash where there is none."""
    if not values:
        return '-'
    mean = f'{statistics.fmean(values):.1f}'
    if len(values) == 1:
        return mean
    return f'{mean} ± {statistics.stdev(values):.1f}'
