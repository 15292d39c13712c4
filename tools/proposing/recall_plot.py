"""Draws recall against the number of proposals."""

from __future__ import annotations

import os
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter, ScalarFormatter

from .recall_curve import RecallCurve


def draw_recall(curve: RecallCurve, *, path: Path, title: str) -> None:
    """Draw one line for each IoU.

    Args:
        curve (RecallCurve): What was measured.
        path (Path): PNG to write, whole or not at all; its folder is made.
        title (str): Text on top.
    """
    figure = Figure(figsize=(5, 3.6), layout='constrained')
    axes = figure.subplots()
    for iou, recalls in zip(curve.ious, curve.recalls.T):
        axes.plot(curve.counts, recalls, marker='o', label=f'IoU {iou}')
    axes.set_xscale('log')
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.set_ylim(0, 1)
    axes.set_xlabel('proposals per image, at most')
    axes.set_ylabel(f'recall of {curve.num_objects} objects')
    axes.set_title(title, fontsize='medium')
    axes.grid(alpha=0.3)
    axes.legend(loc='lower right')
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f'{path.name}.partial')
    figure.savefig(partial, format='png', dpi=120)
    os.replace(partial, path)
