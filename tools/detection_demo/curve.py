"""How good a detector was while it was trained."""

from __future__ import annotations

from comparison.runs import Run

from mmisl.runs import read_scalars


def validation_curve(run: Run, name: str) -> dict[int, float]:
    """Every value of a metric that a training has logged.

    Args:
        run (Run): Of iterations; its parts may lie in several folders.
        name (str): Of the metric.

    Returns:
        dict[int, float]: By iteration; where a part was done again, what it
        gave last.
    """
    curve = {}
    for path in sorted(run.folder.glob('*/vis_data/scalars.json')):
        for record in read_scalars(path):
            if name in record:
                curve[record['step']] = record[name]
    return dict(sorted(curve.items()))
