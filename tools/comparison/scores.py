"""Scores a trained encoder, an untrained one, and raw pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.runner import set_random_seed
from scoring.inputs import split_labels
from torch import Tensor

from mmisl.apis import STAGES, build_loader, init_model, loader_config
from mmisl.engine import extract_features
from mmisl.evaluation import knn_accuracy, linear_probe
from mmisl.runs import read_scalars

from .budget import knn_settings
from .runs import Run

UNTRAINED = 'untrained network'
PIXELS = 'raw pixels'


def score_run(run: Run, cfg: Config) -> dict[str, Any]:
    """Scores of a run's last checkpoint, and what it mined."""
    model = init_model(cfg, run.checkpoint)
    return dict(
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
    scores: dict[str, float] = {}
    for name, stage in (('knn', 'neck'), ('knn_backbone', 'backbone')):
        accuracy = knn_accuracy(
            feats['val'][stage],
            feats['train'][stage],
            query_labels=labels['val'],
            gallery_labels=labels['train'],
            topk=(1,),
            **knn_settings(cfg),
        )
        scores[name] = accuracy['top1']
    probe = linear_probe(
        feats['train']['backbone'],
        labels['train'],
        feats['val']['backbone'],
        labels['val'],
        seed=seed,
    )
    return dict(
        **scores,
        linear=probe.top1,
        inverse_penalty=probe.inverse_penalty,
        converged=probe.converged,
    )


def last_stage(folder: Path) -> dict[str, float]:
    """Purity and NMI of what a run has mined last, if anything.

    The purity is that of edges, or of clusters where those were found: the
    table says so.
    """
    records = []
    for path in sorted(folder.glob('*/vis_data/scalars.json')):
        records += [r for r in read_scalars(path) if 'mining/round' in r]
    if not records:
        return {}
    last = max(records, key=lambda record: record['mining/round'])
    names = dict(purity='purity', cluster_purity='purity', nmi='nmi')
    return {
        name: last[f'mining/{logged}']
        for logged, name in names.items()
        if f'mining/{logged}' in last
    }


def score_baselines(cfg: Config, seeds: list[int]) -> list[dict[str, Any]]:
    """Raw pixels, and the encoder as it is initialised by each seed."""
    rows: list[dict[str, Any]] = []
    for seed in seeds:
        set_random_seed(seed)
        model = init_model(cfg)
        rows.append(
            dict(name=UNTRAINED, seed=seed, **score_model(model, cfg, seed))
        )
    feats, labels = {}, {}
    for split in ('train', 'val'):
        _, dataset = build_loader(loader_config(cfg, split))
        images = [dataset[i]['inputs'] for i in range(len(dataset))]
        # Centred at grey, so that cosines tell images apart.
        pixels = torch.stack(images).flatten(1).float() - 127.5
        feats[split] = dict(neck=pixels, backbone=pixels)
        labels[split] = split_labels(dataset)
    scores = score_features(feats, labels, cfg, seeds[0])
    return [dict(name=PIXELS, seed=seeds[0], **scores), *rows]
