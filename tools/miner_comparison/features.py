"""The frozen features that every miner is given."""

from __future__ import annotations

import hashlib
import json
import math
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from common import ConfigError
from comparison.budget import knn_settings
from mmengine.config import Config
from mmengine.device import get_device
from scoring.inputs import split_labels
from torch import Tensor, nn

from mmisl.apis import STAGES, build_loader, init_model, loader_config
from mmisl.engine import extract_features
from mmisl.engine.loops.mining_stage import encode_augmented
from mmisl.evaluation import knn_accuracy
from mmisl.weights import read_checkpoint

_BANK = 'memory.bank'
# What features and their kNN score hang on, besides the weights.
_SETTINGS = (
    'data_preprocessor',
    'train_dataloader',
    'gallery_dataloader',
    'val_dataloader',
    'val_evaluator',
    'randomness',
)


@dataclass(frozen=True)
class FrozenFeatures:
    """What an encoder makes of the training images.

    Attributes:
        views: V of (N, D), norm 1, augmented, on the host.
        knn: Top-1 accuracy in percent of the test images under weighted kNN
            with the training images, neither of them augmented; None where
            the config does not validate so.
    """

    views: list[Tensor]
    knn: float | None


def read_memory(checkpoint: str) -> tuple[Tensor, int | None]:
    """Memory bank of a checkpoint, (N, D) float32, and its epoch if known.

    Raises:
        ValueError: If it has no bank, or is no checkpoint.
    """
    content = read_checkpoint(checkpoint)
    bank = content['state_dict'].get(_BANK)
    if bank is None or not len(bank):
        raise ValueError(
            f'checkpoint {checkpoint} holds no rows of a memory bank '
            f'({_BANK}), which miners search; give one of a method that '
            'mines, such as ISL'
        )
    return bank, content.get('meta', {}).get('epoch')


def features_key(cfg: Config, checkpoint: str) -> str:
    """SHA-256 of weights, bank and all settings that features hang on.

    The miner is none of them, nor are the optimizer, the schedule and the
    day of the training: one that was repeated bit by bit has the same.

    Returns:
        str: 64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    state = read_checkpoint(checkpoint)['state_dict']
    for name, value in sorted(state.items()):
        if name.startswith('miner.'):
            continue
        digest.update(f'{name} {value.dtype} {tuple(value.shape)}'.encode())
        flat = value.contiguous().flatten().view(torch.uint8)
        digest.update(flat.numpy().tobytes())
    root = cfg.to_dict()
    settings = {key: root.get(key) for key in _SETTINGS}
    settings['model'] = {
        key: value for key, value in root['model'].items() if key != 'miner'
    }
    text = json.dumps(settings, sort_keys=True, default=str)
    digest.update(text.encode())
    return digest.hexdigest()


def frozen_features(
    cfg: Config,
    checkpoint: str,
    *,
    key: str,
    num_views: int,
    cache: Path | None,
) -> FrozenFeatures:
    """Encode the training images, as far as a file does not hold them yet.

    Args:
        cfg (Config): That the checkpoint was trained with. Its
            ``randomness.seed`` seeds the augmentation.
        checkpoint (str): File of weights and bank.
        key (str): From :func:`features_key`.
        num_views (int): V.
        cache (Path, optional): File that keeps the features, ``.npz``. Views
            that it lacks are added to it.

    Raises:
        ValueError: If ``cache`` is of other features, or no such file.
    """
    known: list[Tensor] = []
    knn: float | None = None
    if cache is not None and cache.is_file():
        known, knn = _read(cache, key)
        if len(known) >= num_views:
            return FrozenFeatures(known[:num_views], knn)
    model = init_model(cfg, checkpoint, get_device())
    if not known:
        knn = _score(model, cfg)
    loader, _ = build_loader(cfg.train_dataloader)
    encoded = encode_augmented(
        model,
        loader,
        first_view=len(known),
        num_views=num_views - len(known),
        seed=cfg.get('randomness', {}).get('seed') or 0,
    )
    # One process has no shards.
    views = known + [v.cpu() for v in encoded if isinstance(v, Tensor)]
    if cache is not None:
        _write(cache, key, views, knn)
    return FrozenFeatures(views, knn)


def _score(model: nn.Module, cfg: Config) -> float | None:
    """See :attr:`FrozenFeatures.knn`."""
    feats, labels = {}, {}
    try:
        settings = knn_settings(cfg)
        for split in ('train', 'val'):
            loader, dataset = build_loader(loader_config(cfg, split))
            labels[split] = split_labels(dataset)
            feats[split] = extract_features(
                model,
                loader,
                dataset.num_instances,
                mode=STAGES['neck'],
                description=f'{split} images',
            )
    except ConfigError:  # no such split, labels or metric
        return None
    accuracy = knn_accuracy(
        feats['val'],
        feats['train'],
        query_labels=labels['val'],
        gallery_labels=labels['train'],
        topk=(1,),
        **settings,
    )
    return accuracy['top1']


def _read(path: Path, key: str) -> tuple[list[Tensor], float | None]:
    try:
        with np.load(path, allow_pickle=False) as file:
            known_key = str(file['key'])
            views = torch.from_numpy(file['views'])
            knn = float(file['knn'])
    except (KeyError, ValueError, EOFError, zipfile.BadZipFile):
        raise ValueError(
            f'--cache {path} is no file of features that this tool wrote; '
            'name another'
        ) from None
    if known_key != key:
        raise ValueError(
            f'--cache {path} holds features of another checkpoint or config; '
            'name another file, or delete it'
        )
    return list(views), None if math.isnan(knn) else knn


def _write(
    path: Path, key: str, views: list[Tensor], knn: float | None
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f'{path.name}.partial')
    with open(partial, 'wb') as file:
        np.savez(
            file,
            key=np.array(key),
            views=torch.stack(views).numpy(),
            knn=np.array(math.nan if knn is None else knn),
        )
    os.replace(partial, path)
