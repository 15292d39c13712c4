"""Scores a trained encoder, an untrained one, and raw pixels."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import torch
from common import ConfigError
from extract_features import MODES, load_encoder, loader_config
from mmengine.config import Config
from mmengine.runner import Runner, set_random_seed
from torch import Tensor

from mmisl.engine import extract_features
from mmisl.evaluation import knn_accuracy, linear_probe
from mmisl.registry import MODELS
from mmisl.visualization import read_scalars

from .runs import Run

ROOT = Path(__file__).resolve().parents[2]
UNTRAINED = 'untrained network'
PIXELS = 'raw pixels'


def score_run(run: Run, cfg: Config) -> dict[str, Any]:
    """Scores of a run's last checkpoint, what it mined, and its code."""
    model = load_encoder(cfg.copy(), str(run.checkpoint))
    return dict(
        commit=commit_of_code(),
        **score_model(model, cfg, run.seed),
        **last_stage(run.folder),
    )


def score_model(
    model: torch.nn.Module, cfg: Config, seed: int
) -> dict[str, float]:
    """KNN and linear accuracy of an encoder, in percent."""
    feats: dict[str, dict[str, Tensor]] = {}
    labels: dict[str, Tensor] = {}
    for split in ('train', 'val'):
        loader: Any = Runner.build_dataloader(loader_config(cfg, split))
        dataset = loader.dataset
        labels[split] = dataset.labels()
        if labels[split] is None:
            raise ConfigError(
                f'images of the {split} split have no labels to score with'
            )
        feats[split] = {
            stage: extract_features(
                model, loader, dataset.num_instances, mode=mode
            ).cpu()
            for stage, mode in MODES.items()
        }
    return score_features(feats, labels, cfg, seed)


def score_features(
    feats: dict[str, dict[str, Tensor]],
    labels: dict[str, Tensor],
    cfg: Config,
    seed: int,
) -> dict[str, float]:
    """Both scores of features by split and stage."""
    metric = cfg.val_evaluator
    knn = knn_accuracy(
        feats['val']['neck'],
        feats['train']['neck'],
        query_labels=labels['val'],
        gallery_labels=labels['train'],
        k=metric.get('k', 200),
        temperature=metric.get('temperature', 0.1),
        topk=(1,),
    )
    probe = linear_probe(
        feats['train']['backbone'],
        labels['train'],
        feats['val']['backbone'],
        labels['val'],
        seed=seed,
    )
    return dict(knn=knn['top1'], linear=probe.top1)


def last_stage(folder: Path) -> dict[str, float]:
    """Purity and neighbours of what a run has mined last, if anything."""
    records = []
    for path in sorted(folder.glob('*/vis_data/scalars.json')):
        records += [r for r in read_scalars(path) if 'mining/round' in r]
    if not records:
        return {}
    last = max(records, key=lambda record: record['mining/round'])
    return {
        name: last[f'mining/{name}']
        for name in ('purity', 'mean_degree', 'nmi')
        if f'mining/{name}' in last
    }


def score_baselines(cfg: Config, seeds: list[int]) -> list[dict[str, Any]]:
    """Raw pixels, and the encoder as it is initialised by each seed."""
    rows: list[dict[str, Any]] = []
    for seed in seeds:
        set_random_seed(seed)
        settings = cfg.copy()
        settings.model.data_preprocessor = cfg.data_preprocessor
        model = MODELS.build(settings.model)
        model.init_weights()
        rows.append(
            dict(name=UNTRAINED, seed=seed, **score_model(model, cfg, seed))
        )
    feats, labels = {}, {}
    for split in ('train', 'val'):
        dataset: Any = Runner.build_dataloader(
            loader_config(cfg, split)
        ).dataset
        images = [dataset[i]['inputs'] for i in range(len(dataset))]
        # Centred at grey, so that cosines tell images apart.
        pixels = torch.stack(images).flatten(1).float() - 127.5
        feats[split] = dict(neck=pixels, backbone=pixels)
        labels[split] = dataset.labels()
    scores = score_features(feats, labels, cfg, seeds[0])
    return [dict(name=PIXELS, seed=seeds[0], **scores), *rows]


def commit_of_code() -> str:
    """Commit that the code is of, with a plus where it was changed since."""
    try:
        commit = _git('rev-parse', '--short', 'HEAD')
        changed = _git('status', '--porcelain', '--', 'mmisl', 'configs')
    except (OSError, subprocess.CalledProcessError):
        return 'unknown commit'
    return commit + ('+' if changed else '')


def _git(*words: str) -> str:
    answer = subprocess.run(
        ['git', '-C', str(ROOT), *words],
        capture_output=True,
        text=True,
        check=True,
    )
    return answer.stdout.strip()
