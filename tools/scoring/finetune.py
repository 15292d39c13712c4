"""Finetune the whole network on a share of the labels.

The backbone starts from the checkpoint, the classifier from new weights; SGD
with Nesterov momentum, no weight decay. The share is drawn evenly over the
classes by --seed, or listed. The configs finetune_*.py have ImageNet's
protocol, with random crops and flips.
"""

from __future__ import annotations

import argparse

import torch
from common import ConfigError
from mmengine.config import Config
from mmengine.registry import DefaultScope

from mmisl.registry import MODELS

from .labelled_data import Data, read_data
from .report import Report
from .training import (
    add_training_arguments,
    read_pretraining,
    train_and_test,
)

HELP = 'finetuning of the whole network on a share of the labels'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Command line of this evaluation."""
    add_training_arguments(parser, epochs=60, lr=0.05, batch_size=64)
    share = parser.add_mutually_exclusive_group()
    share.add_argument(
        '--share',
        type=float,
        default=0.1,
        help='of the training images whose labels are used (default: 0.1)',
    )
    share.add_argument(
        '--names',
        help='text file with the file name of an image on every line, to\n'
        'use instead of a draw',
    )


def evaluate(args: argparse.Namespace) -> Report:
    """Train and test as the command line says."""
    if not 0 < args.share <= 1:
        raise ConfigError(f'--share ({args.share}) must be in (0, 1]')
    cfg = read_pretraining(args)
    share = dict(share=args.share, seed=args.seed)
    if args.names is not None:
        share = dict(names=args.names)
    data = read_data(cfg, share)
    topk = (1, 5) if data.num_classes >= 5 else (1,)
    report, _ = train_and_test(
        args,
        cfg,
        data,
        model_config=dict(type='Supervised', **_parts(cfg, data)),
        evaluator=dict(type='mmpretrain.Accuracy', topk=topk),
        hooks=[],
        optimizer=dict(nesterov=True),
    )
    report.details.update(share)
    return report


def _parts(cfg: Config, data: Data) -> dict:
    """Backbone, and a classifier of its last map, pooled as in pretraining."""
    with DefaultScope.overwrite_default_scope('mmisl'):
        backbone = MODELS.build(cfg.model.backbone)
    backbone.eval()  # mmpretrain's return nothing
    with torch.no_grad():
        last = backbone(torch.zeros(1, 3, *data.image_size))[-1]
    neck = cfg.model.get('neck') or {}
    map_size = neck.get('map_size') or 1
    return dict(
        backbone=cfg.model.backbone,
        neck=dict(
            type='PoolingNeck', in_channels=last.shape[1], map_size=map_size
        ),
        head=dict(
            type='mmpretrain.LinearClsHead',
            num_classes=data.num_classes,
            in_channels=last.shape[1] * map_size**2,
            loss=dict(type='mmpretrain.CrossEntropyLoss'),
        ),
    )
