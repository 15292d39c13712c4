"""Linear SVMs, one for each class: all labels, or few.

On VOC2007: `svm CONFIG CHECKPOINT --set voc07 --shots 1 2 4 8 16 32 64 96`.
"""

from __future__ import annotations

import argparse
import statistics
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from mmisl.evaluation import check_labelled, linear_svm, low_shot_svm

from .inputs import Part, add_inputs, read_inputs
from .report import Report

HELP = 'linear SVMs, with all labels or few of them (VOC2007)'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Command line of this evaluation."""
    add_inputs(parser, stage='backbone', several_labels=True)
    parser.add_argument(
        '--shots',
        type=int,
        nargs='+',
        default=[],
        help='also with so many images of each class (default: none)',
    )
    parser.add_argument(
        '--samples',
        type=int,
        default=5,
        help='draws of these images; scores are the mean (default: 5)',
    )
    parser.add_argument(
        '--seed', type=int, default=0, help='of folds and draws (default: 0)'
    )
    parser.add_argument(
        '--jobs',
        type=int,
        default=-1,
        help='classes at a time (default: as many as processors)',
    )


def evaluate(args: argparse.Namespace) -> Report:
    """Score as the command line says."""
    if args.samples < 1:
        raise ValueError(f'--samples must be at least 1, got {args.samples}')
    if args.seed < 0:
        raise ValueError(f'--seed must be at least 0, got {args.seed}')
    if args.shots and min(args.shots) < 1:
        raise ValueError(f'--shots must be at least 1, got {args.shots}')
    parts, source = read_inputs(args)
    data = prepare(parts['train'], parts['test'])
    found = linear_svm(*data, seed=args.seed, num_jobs=args.jobs)
    metrics = {'map': found.mean_ap, 'map_11points': found.mean_ap_11points}
    if parts['test'].labels.dim() == 1:
        best = torch.from_numpy(found.scores).argmax(1)
        right = best == parts['test'].labels.cpu()
        metrics['top1'] = 100 * float(right.double().mean())
    details: dict[str, Any] = dict(ap=found.ap, costs=found.costs)
    for shots in args.shots:
        runs = [
            low_shot_svm(*data, shots=shots, seed=args.seed + sample)
            for sample in range(args.samples)
        ]
        scores = [run.mean_ap for run in runs]
        metrics[f'map_{shots}shot'] = statistics.mean(scores)
        details[f'map_{shots}shot'] = scores
    return Report(
        metrics,
        split='test',
        num_images={k: len(part.labels) for k, part in parts.items()},
        seed=args.seed,
        source=source,
        details=details,
    )


def prepare(train: Part, test: Part) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Features and targets (N, K) of both parts, of one or several labels."""
    if train.labels.dim() == 1:
        check_labelled(train.feats, train.labels, test.feats, test.labels)
        num_classes = int(train.labels.max()) + 1
        targets = [one_hot(p.labels, num_classes) for p in (train, test)]
        return train.feats, targets[0], test.feats, targets[1]
    for name, part in (('train', train), ('test', test)):
        # Labels are judged by the class, later.
        blank = torch.zeros(len(part.feats), dtype=torch.int64)
        check_labelled(part.feats, blank, part.feats, blank, parts=(name,) * 2)
    return train.feats, train.labels, test.feats, test.labels
