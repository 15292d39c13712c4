"""Linear classification of frozen features."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import train_test_split
from torch import Tensor

# Inverse penalties, from strong to weak, for centred features of mean square
# norm 1. The convention tries 45 over a wider range, of features as they are.
DEFAULT_GRID = tuple(float(c) for c in np.logspace(-2, 6, 9))


@dataclass(frozen=True)
class ProbeResult:
    """What a linear probe found.

    Attributes:
        top1: Accuracy on the test images, in percent.
        mean_per_class: Mean of the accuracies of the classes, in percent.
        inverse_penalty: C that was chosen.
        validation: Accuracy on the validation part by C, in percent.
        converged: Whether the last fit ended before ``max_iters``.
    """

    top1: float
    mean_per_class: float
    inverse_penalty: float
    validation: dict[float, float]
    converged: bool


def linear_probe(
    train_feats: Tensor,
    train_labels: Tensor,
    test_feats: Tensor,
    test_labels: Tensor,
    *,
    seed: int,
    grid: Sequence[float] = DEFAULT_GRID,
    val_share: float = 0.2,
    max_iters: int = 1000,
) -> ProbeResult:
    """Multinomial logistic regression by L-BFGS, its L2 penalty by validation.

    The convention of SimCLR and BYOL (BYOL, appendix D.2): the penalty is
    the best of a log-spaced grid on a part of the TRAINING images, and the
    classifier is then fitted to all of them. Test labels are read once, to
    count. The mean of the training features is taken off and all are divided
    by one number, so that their mean square norm is 1: a grid then means the
    same for any network, also where all features point one way.

    Args:
        train_feats (Tensor): (N, C) float, finite.
        train_labels (Tensor): (N,) int64, at least 2 classes.
        test_feats (Tensor): (M, C) float, finite.
        test_labels (Tensor): (M,) int64.
        seed (int): Of the split in training and validation part.
        grid (Sequence[float]): Values of C, the inverse of the penalty.
        val_share (float): Share of the training images of every class that
            validate, in (0, 1). Defaults to 0.2.
        max_iters (int): Of L-BFGS. Defaults to 1000.

    Returns:
        ProbeResult: Accuracies and what was chosen; of equal penalties on
        the validation part the strongest.

    Raises:
        ValueError: If shapes disagree, a value is not finite, there is but
            one class, or a class is too small to be split.
    """
    _check(train_feats, train_labels, test_feats, test_labels, grid)
    mean = train_feats.double().mean(0)
    spread = (train_feats.double() - mean).square().sum(1).mean().sqrt()
    train, test = (
        ((part.double() - mean) / spread.clamp_min(1e-12)).cpu().numpy()
        for part in (train_feats.detach(), test_feats.detach())
    )
    labels, expected = train_labels.cpu().numpy(), test_labels.cpu().numpy()
    rows = np.arange(len(labels))
    fit_rows, val_rows = train_test_split(
        rows, test_size=val_share, random_state=seed % 2**32, stratify=labels
    )
    validation = {}
    for inverse_penalty in sorted(grid):
        # Begun where a stronger penalty ended, L-BFGS may take the flat
        # ground there for the end: 69 for 78 % on one network.
        model = LogisticRegression(C=inverse_penalty, max_iter=max_iters)
        _fit(model, train[fit_rows], labels[fit_rows])
        right = model.predict(train[val_rows]) == labels[val_rows]
        validation[inverse_penalty] = 100 * float(right.mean())
    chosen = max(validation, key=lambda c: (validation[c], -c))
    model = LogisticRegression(C=chosen, max_iter=max_iters)
    converged = _fit(model, train, labels)
    predicted = model.predict(test)
    with warnings.catch_warnings():
        # A class that no test image has is predicted now and then.
        warnings.filterwarnings('ignore', 'y_pred contains classes')
        mean_per_class = balanced_accuracy_score(expected, predicted)
    return ProbeResult(
        top1=100 * float((predicted == expected).mean()),
        mean_per_class=100 * float(mean_per_class),
        inverse_penalty=chosen,
        validation=validation,
        converged=converged,
    )


def _fit(
    model: LogisticRegression, feats: np.ndarray, labels: np.ndarray
) -> bool:
    """Fit, and tell whether it ended by itself."""
    with warnings.catch_warnings():
        # Told by the result.
        warnings.simplefilter('ignore', ConvergenceWarning)
        model.fit(feats, labels)
    return bool(model.n_iter_.max() < model.max_iter)


def _check(
    train_feats: Tensor,
    train_labels: Tensor,
    test_feats: Tensor,
    test_labels: Tensor,
    grid: Sequence[float],
) -> None:
    for name, feats, labels in (
        ('train', train_feats, train_labels),
        ('test', test_feats, test_labels),
    ):
        if feats.dim() != 2 or labels.shape != feats.shape[:1]:
            raise ValueError(
                f'{name}_feats and {name}_labels must be (N, C) and (N,), '
                f'got {tuple(feats.shape)} and {tuple(labels.shape)}'
            )
        if not torch.isfinite(feats).all():
            raise ValueError(
                f'{name}_feats hold NaN or infinity; the training has '
                'diverged: lower the learning rate or train without --amp'
            )
    if train_feats.shape[1] != test_feats.shape[1]:
        raise ValueError(
            f'train_feats have {train_feats.shape[1]} dimensions, test_feats '
            f'{test_feats.shape[1]}; both must come from the same network'
        )
    if not grid or min(grid) <= 0:
        raise ValueError(f'grid must hold numbers > 0, got {list(grid)}')
    counts = train_labels.unique(return_counts=True)[1]
    if len(counts) < 2 or counts.min() < 2:
        raise ValueError(
            'a linear probe needs at least 2 classes with 2 training images '
            f'each, got {len(counts)} classes, the smallest of '
            f'{int(counts.min()) if len(counts) else 0}'
        )
