"""Linear probe: logistic regression on frozen features, solved by L-BFGS.

The L2 penalty is chosen on a part of the training images, and the classifier
then fitted to all of them. On the GPU where there is one.
"""

from __future__ import annotations

import argparse

from mmengine.device import get_device

from mmisl.evaluation import linear_probe

from .inputs import add_inputs, read_inputs
from .report import Report

HELP = 'logistic regression on frozen features'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Command line of this evaluation."""
    add_inputs(parser, stage='backbone')
    parser.add_argument(
        '--val-share',
        type=float,
        default=0.2,
        help='share of the training images of every class that chooses\n'
        'the penalty (default: 0.2)',
    )
    parser.add_argument(
        '--seed', type=int, default=0, help='of that draw (default: 0)'
    )


def evaluate(args: argparse.Namespace) -> Report:
    """Score as the command line says."""
    if not 0 < args.val_share < 1:
        raise ValueError(
            f'--val-share must lie between 0 and 1, got {args.val_share}'
        )
    parts, source = read_inputs(args)
    train, test = parts['train'], parts['test']
    result = linear_probe(
        train.feats.to(get_device()),
        train.labels,
        test.feats,
        test.labels,
        seed=args.seed,
        val_share=args.val_share,
    )
    return Report(
        dict(top1=result.top1, mean_per_class=result.mean_per_class),
        split='test',
        num_images=dict(train=len(train.labels), test=len(test.labels)),
        seed=args.seed,
        source=source,
        details=dict(
            inverse_penalty=result.inverse_penalty,
            validation=result.validation,
            converged=result.converged,
        ),
    )
