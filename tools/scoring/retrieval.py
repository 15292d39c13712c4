"""Retrieval: whether the nearest test images are of the same class."""

from __future__ import annotations

import argparse

from mmengine.device import get_device

from mmisl.evaluation import retrieval_recall

from .inputs import add_inputs, check_test, read_inputs
from .report import Report

HELP = 'recall@k among the test images themselves'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Command line of this evaluation."""
    add_inputs(parser, stage='neck', num_parts=1)
    parser.add_argument(
        '--k',
        type=int,
        nargs='+',
        default=[1, 2, 4, 8],
        help='neighbours looked at (default: 1 2 4 8)',
    )


def evaluate(args: argparse.Namespace) -> Report:
    """Score as the command line says."""
    parts, source = read_inputs(args)
    test = parts['test']
    check_test(test)
    return Report(
        retrieval_recall(test.feats.to(get_device()), test.labels, ks=args.k),
        split='test',
        num_images=dict(test=len(test.labels)),
        seed=None,
        source=source,
    )
