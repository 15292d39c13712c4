"""Scores a trained encoder, an untrained one, and raw pixels."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from files import write_json
from mmengine.config import Config
from mmengine.runner import set_random_seed
from scoring.inputs import split_labels
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from mmisl.apis import STAGES, build_loader, init_model, loader_config
from mmisl.engine import extract_features
from mmisl.evaluation import knn_accuracy, linear_probe

from .budget import as_text, knn_settings
from .processes import Stretch
from .runs import Run

# Settings that scores without a training depend on.
_BASELINE_SETTINGS = (
    'model',
    'data_preprocessor',
    'gallery_dataloader',
    'val_dataloader',
    'val_evaluator',
)
# Of fewer training images a fifth hardly tells penalties apart: with 3,600 the
# choice between two of them moved the linear accuracy by five points.
ONE_SPLIT, NUM_FOLDS = 10_000, 5
UNTRAINED = 'untrained network'
PIXELS = 'raw pixels'
# Larger images are shrunk to it: at 224 pixels a search of 3,600 images for
# 800 took over nine minutes of a core, for a row that is only a floor.
PIXEL_SIDE = 32


def score_run(run: Run, cfg: Config) -> dict[str, Any]:
    """Scores of a run's last checkpoint."""
    model = init_model(cfg, run.checkpoint)
    return score_model(model, cfg, run.seed)


def score_model(
    model: torch.nn.Module, cfg: Config, seed: int
) -> dict[str, float]:
    """KNN and linear accuracy of an encoder, in percent."""
    feats: dict[str, dict[str, Tensor]] = {}
    labels: dict[str, Tensor] = {}
    for split in ('train', 'val'):
        loader, dataset = build_loader(loader_config(cfg, split))
        labels[split] = split_labels(dataset)
        feats[split] = {
            stage: extract_features(
                model, loader, dataset.num_instances, mode=mode
            ).cpu()
            for stage, mode in STAGES.items()
        }
    return score_features(feats, labels, cfg, seed)


def score_features(
    feats: dict[str, dict[str, Tensor]],
    labels: dict[str, Tensor],
    cfg: Config,
    seed: int,
) -> dict[str, float]:
    """Scores of features by split and stage, in percent."""
    scores = {
        name: knn_score(
            {split: stages[stage] for split, stages in feats.items()},
            labels,
            cfg,
        )
        for name, stage in (('knn', 'neck'), ('knn_backbone', 'backbone'))
    }
    probe = linear_probe(
        feats['train']['backbone'],
        labels['train'],
        feats['val']['backbone'],
        labels['val'],
        seed=seed,
        num_folds=num_folds(labels['train']),
    )
    return dict(
        **scores,
        linear=probe.top1,
        inverse_penalty=probe.inverse_penalty,
        converged=probe.converged,
    )


def num_folds(labels: Tensor) -> int:
    """Parts of the training images that validate penalties in turn.

    Args:
        labels (Tensor): (N,) int64.
    """
    if len(labels) >= ONE_SPLIT:
        return 1
    smallest = int(labels.unique(return_counts=True)[1].min())
    return min(NUM_FOLDS, smallest)


def knn_score(
    feats: dict[str, Tensor], labels: dict[str, Tensor], cfg: Config
) -> float:
    """Top-1 of weighted kNN on features by split, in percent."""
    return knn_accuracy(
        feats['val'],
        feats['train'],
        query_labels=labels['val'],
        gallery_labels=labels['train'],
        topk=(1,),
        **knn_settings(cfg),
    )['top1']


def score_baselines(
    cfg: Config, seeds: Sequence[int], folder: Path, stretch: Stretch
) -> list[dict[str, Any]]:
    """Rows of raw pixels, and of the encoder as each seed initialises it.

    Args:
        cfg (Config): Of a method.
        seeds (Sequence[int]): At least one; raw pixels have the first.
        folder (Path): Where each row is kept, so that it is made once.
        stretch (Stretch): When it is over no other row is begun.

    Returns:
        list[dict]: The rows there are; of raw pixels kNN alone, as a linear
        probe on them takes longer than a network does to train.
    """
    settings = as_text({key: cfg.get(key) for key in _BASELINE_SETTINGS})
    # In the name, so that commands which begin with different methods leave
    # each other's rows alone.
    digest = hashlib.sha256(settings.encode()).hexdigest()[:8]
    wanted: list[tuple[str, int, Callable[[Config, int], dict]]] = [
        (PIXELS, seeds[0], score_pixels),
        *((UNTRAINED, seed, score_untrained) for seed in seeds),
    ]
    rows = []
    for name, seed, score in wanted:
        stem = f'{name.replace(" ", "_")}_seed{seed}_{digest}'
        path = folder / f'{stem}.json'
        if not path.is_file():
            if stretch.is_over:
                continue
            row = dict(name=name, seed=seed, **score(cfg, seed))
            write_json(path, row)
        rows.append(json.loads(path.read_text()))
    return rows


def score_untrained(cfg: Config, seed: int) -> dict[str, float]:
    """Scores of the encoder as a seed initialises it."""
    set_random_seed(seed)
    return score_model(init_model(cfg), cfg, seed)


def score_pixels(cfg: Config, seed: int) -> dict[str, float]:
    """KNN accuracy of raw pixels, in percent, which no seed moves.

    Of images that are larger than 32x32 it is that of their shrunk copies.
    """
    feats, labels = {}, {}
    for split in ('train', 'val'):
        _, dataset = build_loader(loader_config(cfg, split))
        images = [dataset[i]['inputs'] for i in range(len(dataset))]
        feats[split] = pixel_feats(torch.stack(images))
        labels[split] = split_labels(dataset)
    accuracy = knn_score(feats, labels, cfg)
    return dict(knn=accuracy, knn_backbone=accuracy)


def pixel_feats(images: Tensor) -> Tensor:
    """Images as features: shrunk where they are large, and centred.

    Args:
        images (Tensor): (N, 3, H, W) uint8.

    Returns:
        Tensor: (N, 3 h w) float32 with h = min(H, 32) and w = min(W, 32).
    """
    height, width = (min(side, PIXEL_SIDE) for side in images.shape[2:])
    shrunk = adaptive_avg_pool2d(images.float(), (height, width))
    # Centred at grey, so that cosines tell images apart.
    return shrunk.flatten(1) - 127.5
