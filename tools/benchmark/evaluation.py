"""Time and memory of the scores of features, beside scikit-learn's.

Usage:
    python tools/benchmark/evaluation.py knn [--queries 50000]
                                             [--rows 1281167]
    python tools/benchmark/evaluation.py linear [--rows 50000]
                                                [--penalties 1 100 10000]

    knn     Weighted vote of the 200 nearest rows, D = 128. scikit-learn's
            KNeighborsClassifier with algorithm='brute' on the same rows of
            norm 1. A share of wrong votes is of the other side's answer.
    linear  Logistic regression on N x 2,048 features with a power-law
            spectrum behind a ReLU, 100 classes. scikit-learn's
            LogisticRegression; both with two tolerances. 'above minimum' is
            relative, to the lowest objective that anything here reached.

Both sides in turn in one process. Memory is above features and labels.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from measure import Row, peak_memory, report
from mmengine.device import get_device
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from mmisl.evaluation import KNNGallery, PrincipalAxes, fit_softmax

K, TEMPERATURE, NUM_NEIGHBOR_CLASSES = 200, 0.1, 1000
NUM_CLASSES, WIDTH = 100, 2048
BASELINE = 'scikit-learn'
# Rows that scikit-learn's objective is computed on at a time.
BLOCK = 8192


def parse_args() -> argparse.Namespace:
    """Command line of this benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parts = parser.add_subparsers(dest='part', required=True)
    knn = parts.add_parser('knn')
    knn.add_argument('--queries', type=int, default=50_000)
    knn.add_argument('--rows', type=int, default=1_281_167)
    linear = parts.add_parser('linear')
    linear.add_argument('--rows', type=int, default=50_000)
    linear.add_argument(
        '--penalties',
        type=float,
        nargs='+',
        default=[1.0, 100.0, 10_000.0],
        help='values of C, of features of mean square norm 1',
    )
    for part in (knn, linear):
        part.add_argument('--out', type=Path, help='JSON file')
    return parser.parse_args()


def measured(function: Callable[[], object]) -> tuple[float, int]:
    """Seconds of a call, and bytes at its peak above what was held."""
    start = time.perf_counter()
    peak = peak_memory(function)
    return time.perf_counter() - start, peak


def gigabytes(size: int) -> float:
    """Bytes in units of 10^9."""
    return size / 1e9


def measure_knn(args: argparse.Namespace) -> list[Row]:
    """Both classifiers on the same rows."""
    torch.manual_seed(0)
    centres = torch.randn(NUM_NEIGHBOR_CLASSES, 128)

    def make(num: int) -> tuple[Tensor, Tensor]:
        labels = torch.randint(NUM_NEIGHBOR_CLASSES, (num,))
        feats = torch.randn(num, 128).mul_(1.5).add_(centres[labels])
        return normalize(feats), labels

    (gallery, labels), (queries, _) = make(args.rows), make(args.queries)
    answers: dict[str, Tensor] = {}
    device = get_device()

    def ours() -> None:
        votes = KNNGallery(gallery.to(device), labels).votes(
            queries,
            num_classes=NUM_NEIGHBOR_CLASSES,
            k=K,
            temperature=TEMPERATURE,
        )
        answers['mmisl'] = votes.argmax(1).cpu()

    def theirs() -> None:
        model = KNeighborsClassifier(
            K,
            algorithm='brute',
            # Of rows of norm 1: d^2 = 2 - 2 cos.
            weights=lambda d: np.exp(-np.square(d) / (2 * TEMPERATURE)),
        )
        model.fit(gallery.numpy(), labels.numpy())
        answers['scikit-learn'] = torch.from_numpy(
            model.predict(queries.numpy())
        )

    rows: list[Row] = []
    figures = {
        'mmisl': measured(ours),
        'scikit-learn': measured(theirs),
    }
    differing = (answers['mmisl'] != answers['scikit-learn']).double().mean()
    for name, (seconds, peak) in figures.items():
        rows.append(
            {
                'kNN': name,
                'seconds': seconds,
                'time / scikit-learn': seconds / figures['scikit-learn'][0],
                'GB': gigabytes(peak),
                'answers that differ': f'{100 * float(differing):.3f} %',
            }
        )
    return rows


def measure_linear(args: argparse.Namespace) -> list[Row]:
    """Both solvers on the same features, for every penalty."""
    feats, labels = spectral_features(args.rows)
    rows: list[Row] = []
    for inverse_penalty in args.penalties:
        rows += compare_solvers(feats, labels, inverse_penalty)
    return rows


def compare_solvers(
    feats: Tensor, labels: Tensor, inverse_penalty: float
) -> list[Row]:
    """Both solvers under one penalty."""
    found: dict[str, tuple[Tensor, Tensor, int]] = {}

    def ours(name: str, tolerance: float) -> None:
        axes = PrincipalAxes(feats.to(get_device()), rescale=False)
        fit = fit_softmax(
            axes.rows,
            axes.energy,
            labels.to(get_device()),
            num_classes=NUM_CLASSES,
            inverse_penalty=inverse_penalty,
            tolerance=tolerance,
        )
        weight, bias = axes.unrotate(fit.weight, fit.bias)
        found[name] = weight.cpu(), bias.cpu(), fit.num_evaluations

    def theirs(name: str, tolerance: float) -> None:
        model = LogisticRegression(
            C=inverse_penalty, tol=tolerance, max_iter=10_000
        )
        model.fit(feats.numpy(), labels.numpy())
        found[name] = (
            torch.from_numpy(model.coef_),
            torch.from_numpy(model.intercept_),
            int(model.n_iter_.max()),
        )

    # Each with its default, and where both end at about the same objective.
    sides = {
        'mmisl': (ours, 1e-8),
        'mmisl, tolerance 1e-5': (ours, 1e-5),
        BASELINE: (theirs, 1e-4),
        'scikit-learn, tol 1e-6': (theirs, 1e-6),
    }
    figures = {
        name: measured(partial(solve, name, tolerance))
        for name, (solve, tolerance) in sides.items()
    }
    reached = {
        name: objective(feats, labels, weight, bias, inverse_penalty)
        for name, (weight, bias, _) in found.items()
    }
    lowest = min(reached.values())
    return [
        {
            'C': f'{inverse_penalty:g}',
            'solver': name,
            'seconds': seconds,
            'time / scikit-learn': seconds / figures[BASELINE][0],
            'GB': gigabytes(peak),
            'iterations': found[name][2],
            'above minimum': f'{reached[name] / lowest - 1:.1e}',
        }
        for name, (seconds, peak) in figures.items()
    ]


def spectral_features(num: int) -> tuple[Tensor, Tensor]:
    """Features (N, 2048) like those of a network, and their labels."""
    torch.manual_seed(0)
    labels = torch.randint(NUM_CLASSES, (num,))
    scale = torch.arange(1, WIDTH + 1) ** -0.8
    centres = 0.5 * torch.randn(NUM_CLASSES, WIDTH)
    turn = torch.linalg.qr(torch.randn(WIDTH, WIDTH))[0]
    feats = (torch.randn(num, WIDTH) + centres[labels]) * scale @ turn
    feats = feats.add_(0.02).relu_()
    spread = (feats - feats.mean(0)).square_().sum(1).mean().sqrt()
    return feats / spread, labels


def objective(
    feats: Tensor,
    labels: Tensor,
    weight: Tensor,
    bias: Tensor,
    inverse_penalty: float,
) -> float:
    """Penalised loss in float64, a mean over the rows."""
    weight, bias = weight.double(), bias.double()
    loss = sum(
        float(
            cross_entropy(
                torch.addmm(bias, block.double(), weight.T),
                wanted,
                reduction='sum',
            )
        )
        for block, wanted in zip(feats.split(BLOCK), labels.split(BLOCK))
    )
    penalty = float(weight.square().sum()) / (2 * inverse_penalty)
    return (loss + penalty) / len(feats)


def main() -> None:
    """Measure as the command line says."""
    args = parse_args()
    if args.part == 'knn':
        title = f'{args.queries:,} queries, {args.rows:,} x 128 rows'
        rows = measure_knn(args)
    else:
        title = f'{args.rows:,} x {WIDTH:,} features, {NUM_CLASSES} classes'
        rows = measure_linear(args)
    report(title, rows, out=args.out)


if __name__ == '__main__':
    main()
