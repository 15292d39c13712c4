"""What a finished detector finds in the test scenes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from quiet_runs import build_runner, quiet


@dataclass(frozen=True)
class Findings:
    """Of one detector.

    Attributes:
        metrics: Fractions by name, such as ``voc07/mAP``.
        images: (H, W, 3) uint8 RGB, the first test scenes.
        samples: Their true objects and what was found in them.
        metainfo: Names and colours of the classes.
    """

    metrics: dict[str, float]
    images: list[np.ndarray]
    samples: list[DetDataSample]
    metainfo: dict[str, Any]


def score_detector(
    cfg: Config, checkpoint: Path, folder: Path, num_pictures: int
) -> Findings:
    """Test a detector, and keep what it finds in some scenes.

    Args:
        cfg (Config): Of the detector; stays as it is.
        checkpoint (Path): To test.
        folder (Path): Takes the log.
        num_pictures (int): Scenes to keep.
    """
    cfg = cfg.copy()
    cfg.model.init_cfg = None  # all weights are in the checkpoint
    runner = build_runner(cfg, folder, load_from=checkpoint)
    with quiet():
        metrics = runner.test()
    dataset = runner.test_dataloader.dataset
    images, samples = [], []
    for index in range(min(num_pictures, len(dataset))):
        item = dataset[index]
        # (3, H, W), BGR as loaded.
        images.append(item['inputs'].flip(0).permute(1, 2, 0).numpy())
        with torch.no_grad():
            samples += runner.model.test_step(pseudo_collate([item]))
    return Findings(metrics, images, samples, dataset.metainfo)
