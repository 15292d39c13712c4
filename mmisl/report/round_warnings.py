"""What went wrong in each mining stage, told from its logged numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmisl.evaluation import cluster_warnings, mining_warnings
from mmisl.runs.scalars import ROUND_KEY

_GRAPH = ('num_hubs', 'mean_degree', 'max_degree')
_QUOTA = ('edges_requested', 'edges_accepted')
_CLUSTERS = ('num_clusters', 'largest_share')


def round_warnings(scalars: Sequence[dict[str, Any]]) -> dict[int, list[str]]:
    """What the log has said of every mining stage, a line each.

    Args:
        scalars (Sequence[dict]): Log records.

    Returns:
        dict[int, list[str]]: By round, empty where all is well. A stage of
        which an earlier version has logged too few numbers is left out.
    """
    found = {}
    for record in scalars:
        if ROUND_KEY not in record:
            continue
        numbers = {
            key.removeprefix('mining/'): value
            for key, value in record.items()
            if key.startswith('mining/')
        }
        if all(name in numbers for name in (*_GRAPH, *_QUOTA)):
            warnings = mining_warnings(
                numbers,
                requested_edges=int(numbers['edges_requested']),
                accepted_edges=int(numbers['edges_accepted']),
                # Earlier versions had no gate, and logged no such number.
                refused_edges=int(numbers.get('edges_refused', 0)),
                gan_gap=numbers.get('gan_gap'),
            )
        elif all(name in numbers for name in _CLUSTERS):
            warnings = cluster_warnings(numbers)
        else:
            continue
        found[int(numbers['round'])] = warnings
    return found
