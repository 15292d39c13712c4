"""Linear classifiers on every stage of the frozen backbone, in one pass.

Maps are pooled to at most 10,000 values and normalised, so that one learning
rate suits all stages. The backbone is proved unchanged by its SHA-256. The
configs layers_*.py and linear_*.py have the protocols of the literature.
"""

from __future__ import annotations

import argparse

from mmisl.weights import fingerprint

from .labelled_data import read_data
from .report import Report
from .training import (
    add_training_arguments,
    read_pretraining,
    train_and_test,
)

HELP = 'linear classifiers on every stage of the backbone, by SGD'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Command line of this evaluation."""
    add_training_arguments(parser, epochs=30, lr=0.01, batch_size=256)
    parser.add_argument(
        '--pool-values',
        type=int,
        default=10_000,
        help='most values of a map that a classifier sees (default: 10000)',
    )


def evaluate(args: argparse.Namespace) -> Report:
    """Train and test as the command line says."""
    cfg = read_pretraining(args)
    data = read_data(cfg)
    model_config = dict(
        type='LinearProbes',
        backbone=cfg.model.backbone,
        num_classes=data.num_classes,
        image_size=data.image_size,
        pool_values=args.pool_values,
        feature_norm=True,
    )
    topk = (1, 5) if data.num_classes >= 5 else (1,)
    report, model = train_and_test(
        args,
        cfg,
        data,
        model_config=model_config,
        evaluator=dict(type='ProbeAccuracy', topk=topk),
        hooks=[dict(type='FrozenBackboneHook')],
    )
    values = {name: model.probes[name].fc.in_features for name in model.stages}
    report.details.update(
        values=values, backbone_sha256=fingerprint(model.backbone)
    )
    return report
