"""Weighted kNN: the training images vote for the class of each test image."""

from __future__ import annotations

import argparse

import torch
from mmengine.device import get_device
from mmengine.dist import all_reduce, get_rank, get_world_size

from mmisl.evaluation import KNNGallery, check_labelled, vote_ranks

from .inputs import add_inputs, read_inputs
from .report import Report

HELP = 'weighted k-nearest-neighbour classification'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Command line of this evaluation."""
    add_inputs(parser, stage='neck')
    parser.add_argument(
        '--k',
        type=int,
        nargs='+',
        default=[200],
        help='voters; several give a score each (default: 200)',
    )
    parser.add_argument(
        '--temperature',
        type=float,
        default=0.1,
        help='T of the weights exp(cos / T); 0.07 is usual on ImageNet\n'
        '(default: 0.1)',
    )


def evaluate(args: argparse.Namespace) -> Report:
    """Score as the command line says; every process votes for its share."""
    parts, source = read_inputs(args)
    train, test = parts['train'], parts['test']
    check_labelled(train.feats, train.labels, test.feats, test.labels)
    if min(args.k) < 1:
        raise ValueError(f'--k must be at least 1, got {min(args.k)}')
    gallery = KNNGallery(train.feats.to(get_device()), train.labels)
    share = slice(get_rank(), None, get_world_size())
    # One search serves every k.
    similarity, nearest = gallery.neighbors(
        test.feats[share], max(args.k), description='kNN'
    )
    metrics = {}
    for k in args.k:
        votes = gallery.vote(
            similarity[:, :k],
            nearest[:, :k],
            num_classes=gallery.num_classes,
            temperature=args.temperature,
        )
        ranks = vote_ranks(votes, test.labels[share])
        right = torch.stack([(ranks < n).sum() for n in (1, 5)])
        all_reduce(right)
        for n, count in zip((1, 5), right.tolist()):
            metrics[f'knn{k}_top{n}'] = 100 * count / len(test.labels)
    return Report(
        metrics,
        split='test',
        num_images=dict(train=len(train.labels), test=len(test.labels)),
        seed=None,
        source=source,
        details=dict(temperature=args.temperature),
    )
