"""Clusters: how far k-means of the features finds the classes."""

from __future__ import annotations

import argparse
import statistics

from sklearn.metrics import (
    adjusted_rand_score,
    normalized_mutual_info_score,
)
from torch.nn.functional import normalize

from mmisl.clustering import kmeans

from .inputs import add_inputs, check_test, read_inputs
from .report import Report

HELP = 'NMI and ARI of k-means with the classes'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Command line of this evaluation."""
    add_inputs(parser, stage='neck', num_parts=1)
    parser.add_argument(
        '--clusters', type=int, help='k (default: as many as classes)'
    )
    parser.add_argument(
        '--runs',
        type=int,
        default=5,
        help='k-means begins anew so many times; scores are the mean\n'
        '(default: 5)',
    )
    parser.add_argument(
        '--seed', type=int, default=0, help='of the first run (default: 0)'
    )


def evaluate(args: argparse.Namespace) -> Report:
    """Score as the command line says."""
    if args.runs < 1:
        raise ValueError(f'--runs must be at least 1, got {args.runs}')
    parts, source = read_inputs(args)
    test = parts['test']
    check_test(test)
    labels = test.labels.cpu().numpy()
    num_clusters = args.clusters
    if num_clusters is None:
        num_clusters = len(set(labels.tolist()))
    feats = normalize(test.feats)
    scores: dict[str, list[float]] = dict(nmi=[], ari=[])
    for run in range(args.runs):
        found = kmeans(feats, num_clusters, seed=args.seed + run).assignments
        assigned = found.cpu().numpy()
        scores['nmi'].append(normalized_mutual_info_score(labels, assigned))
        scores['ari'].append(adjusted_rand_score(labels, assigned))
    return Report(
        {k: 100 * statistics.mean(v) for k, v in scores.items()},
        split='test',
        num_images=dict(test=len(labels)),
        seed=args.seed,
        source=source,
        details=dict(num_clusters=num_clusters, runs=scores),
    )
