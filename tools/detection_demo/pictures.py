"""A picture of scenes, and what every detector finds in them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from mmdet.structures import DetDataSample
from mmdet.visualization import DetLocalVisualizer
from mmengine.structures import InstanceData
from PIL import Image

from .scoring import Findings

# Names and scores could not be read on an image of 128 pixels.
_ENLARGED = 4
_MIN_SCORE = 0.5
_DPI = 150


def draw_detections(findings: Mapping[str, Findings], path: Path) -> Path:
    """Draw true objects on top, then a row for every detector.

    Args:
        findings (Mapping[str, Findings]): By the title of the row; all of the
            same scenes.
        path (Path): PNG to write.

    Returns:
        Path: The picture that was written.
    """
    first = next(iter(findings.values()))
    visualizer = DetLocalVisualizer(line_width=2)
    visualizer.dataset_meta = first.metainfo
    rows = {'objects': draw_row(visualizer, first, truth=True)}
    for title, found in findings.items():
        rows[title] = draw_row(visualizer, found, truth=False)
    return _save_grid(rows, path)


def draw_row(
    visualizer: DetLocalVisualizer, found: Findings, *, truth: bool
) -> list[np.ndarray]:
    """Every scene with its true objects, or with what was found.

    Returns:
        list[np.ndarray]: (4 H, 4 W, 3) uint8 RGB each.
    """
    drawn = []
    for image, sample in zip(found.images, found.samples, strict=True):
        visualizer.add_datasample(
            'scene',
            _enlarge_image(image),
            _enlarge_sample(sample),
            draw_gt=truth,
            draw_pred=not truth,
            pred_score_thr=_MIN_SCORE,
        )
        drawn.append(visualizer.get_image())
    return drawn


def _enlarge_image(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    size = (width * _ENLARGED, height * _ENLARGED)
    resized = Image.fromarray(image).resize(size, Image.Resampling.BICUBIC)
    return np.asarray(resized)


def _enlarge_sample(sample: DetDataSample) -> DetDataSample:
    """True objects, difficult ones too, and findings of the larger image."""
    height, width = (side * _ENLARGED for side in sample.ori_shape)
    truth = [sample.gt_instances, sample.ignored_instances]
    enlarged = DetDataSample(
        gt_instances=InstanceData.cat(truth),
        pred_instances=sample.pred_instances.clone(),
    )
    for instances in (enlarged.gt_instances, enlarged.pred_instances):
        bboxes = instances.bboxes * _ENLARGED
        # A box that touches the border makes the visualiser shrink the image.
        bboxes[:, 0::2] = bboxes[:, 0::2].clamp(0, width - 1)
        bboxes[:, 1::2] = bboxes[:, 1::2].clamp(0, height - 1)
        instances.bboxes = bboxes
    return enlarged


def _save_grid(rows: Mapping[str, list[np.ndarray]], path: Path) -> Path:
    first = next(iter(rows.values()))
    num_columns = len(first)
    height, width = (side / _DPI for side in first[0].shape[:2])
    figure = Figure(  # one pixel for one
        figsize=(width * num_columns, height * len(rows)),
        layout='constrained',
    )
    grid = figure.subplots(len(rows), num_columns, squeeze=False)
    for axes, (title, images) in zip(grid, rows.items(), strict=True):
        axes[0].set_ylabel(title, fontsize='xx-large')
        for ax, image in zip(axes, images, strict=True):
            ax.imshow(image)
            ax.set(xticks=[], yticks=[])
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f'{path.name}.partial')
    figure.savefig(partial, format='png', dpi=_DPI)
    os.replace(partial, path)
    return path
