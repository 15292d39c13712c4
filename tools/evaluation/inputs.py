"""Features and labels to score, from files or from an encoder."""

from __future__ import annotations

import argparse
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import (
    ConfigError,
    add_launcher_arguments,
    add_options_argument,
    check_checkpoint,
    check_config,
    load_config,
    prepare_launch,
)
from mmengine.dist import init_dist, is_distributed
from torch import Tensor

from mmisl.apis import STAGES, build_loader, init_model, loader_config
from mmisl.datasets import InstanceDataset
from mmisl.engine import extract_features
from mmisl.weights import fingerprint


@dataclass(frozen=True)
class Part:
    """Features and labels of one part of the images.

    Attributes:
        feats: (N, C) float32.
        labels: (N,) int64.
    """

    feats: Tensor
    labels: Tensor


def add_inputs(
    parser: argparse.ArgumentParser, *, stage: str, num_parts: int = 2
) -> None:
    """Arguments that say what is scored.

    Args:
        parser (argparse.ArgumentParser): Of a subcommand.
        stage (str): Default of ``--stage``.
        num_parts (int): 2 for training and test images, 1 for test images.
    """
    files = 'TRAIN.npz TEST.npz' if num_parts == 2 else 'TEST.npz'
    parser.add_argument(
        'inputs',
        nargs='+',
        metavar='INPUT',
        help=f'CONFIG CHECKPOINT, or {files} of tools/extract_features.py',
    )
    parser.add_argument(
        '--stage',
        choices=tuple(STAGES),
        default=stage,
        help='with CONFIG CHECKPOINT: features of the neck, or what the\n'
        f'backbone gives it, pooled (default: {stage})',
    )
    parser.set_defaults(num_parts=num_parts)
    add_options_argument(parser)
    add_launcher_arguments(parser)


def read_inputs(
    args: argparse.Namespace,
) -> tuple[dict[str, Part], dict[str, str]]:
    """Features that the command line names.

    Returns:
        tuple[dict[str, Part], dict[str, str]]: Parts ``train`` and ``test``,
        or ``test`` alone; and what they are from.

    Raises:
        ConfigError: If the inputs are neither, or images have no labels.
    """
    names = ('train', 'test')[-args.num_parts :]
    if all(name.endswith('.npz') for name in args.inputs):
        if len(args.inputs) != len(names):
            raise ConfigError(
                f'{len(names)} files of features are wanted '
                f'({", ".join(names)}), got {len(args.inputs)}'
            )
        files = dict(zip(names, args.inputs))
        return {k: read_features(Path(v)) for k, v in files.items()}, files
    if len(args.inputs) != 2:
        raise ConfigError(
            'INPUT must be CONFIG CHECKPOINT, or files that end with .npz; '
            f'got {" ".join(args.inputs)}'
        )
    return encode(args, names)


def read_features(path: Path) -> Part:
    """Read a file of ``tools/extract_features.py``.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it holds no features and labels.
    """
    if not path.is_file():
        raise FileNotFoundError(f'features file {path} does not exist')
    try:
        with np.load(path) as arrays:
            feats, labels = arrays['features'], arrays['labels']
    except (KeyError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(
            f'{path} must hold arrays `features` and `labels`, as '
            'tools/extract_features.py writes them'
        ) from error
    return Part(torch.from_numpy(feats).float(), torch.from_numpy(labels))


def encode(
    args: argparse.Namespace, names: tuple[str, ...]
) -> tuple[dict[str, Part], dict[str, str]]:
    """Encode the splits of a config, and see that the encoder is unchanged."""
    args.config, checkpoint = args.inputs
    cfg = load_config(args)
    check_checkpoint(checkpoint)
    check_config(cfg, required=('model',))
    prepare_launch(cfg, args)
    if args.launcher != 'none' and not is_distributed():
        init_dist(args.launcher, **cfg.env_cfg.dist_cfg)
    model: Any = init_model(cfg, checkpoint)
    before = fingerprint(model.backbone)
    parts = {}
    for name in names:
        split = 'train' if name == 'train' else 'val'
        loader, dataset = build_loader(loader_config(cfg, split))
        feats = extract_features(
            model, loader, dataset.num_instances, mode=STAGES[args.stage]
        )
        parts[name] = Part(feats, split_labels(dataset, split))
    assert fingerprint(model.backbone) == before, 'the backbone has changed'
    return parts, dict(
        config=args.config,
        checkpoint=checkpoint,
        stage=args.stage,
        backbone_sha256=before,
    )


def split_labels(dataset: InstanceDataset, split: str) -> Tensor:
    """Labels of a split.

    Raises:
        ConfigError: If not every image has one.
    """
    labels = dataset.labels()
    if labels is None:
        raise ConfigError(
            f'images of the {split} split have no labels to score with; take '
            'a data set in which every image has one'
        )
    return labels
