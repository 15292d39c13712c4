"""Linear classification of frozen features."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.metrics import recall_score
from sklearn.model_selection import StratifiedKFold, train_test_split
from torch import Tensor

from mmisl.progress import Bar

from .labelled import check_labelled
from .softmax_regression import PrincipalAxes, SoftmaxFit, fit_softmax

# Inverse penalties, from strong to weak, for centred features of mean square
# norm 1.
DEFAULT_GRID = tuple(float(c) for c in np.logspace(-2, 6, 9))
# The convention of SimCLR and BYOL, for features as they are: 45 penalties
# from 1e5 down to 1e-6 (BYOL, appendix D.2).
TRANSFER_GRID = tuple(float(c) for c in np.logspace(-5, 6, 45))
# To compare penalties takes less than a last fit: on 50,000 x 2,048 features a
# third to a half of the time, and still closer to the minimum than
# scikit-learn's default (docs/performance.md).
SEARCH_TOLERANCE, LAST_TOLERANCE = 1e-5, 1e-8
METRICS = ('top1', 'mean_per_class')


@dataclass(frozen=True)
class ProbeResult:
    """What a linear probe found.

    Attributes:
        top1: Accuracy on the test images, in percent.
        mean_per_class: Mean of the accuracies of the classes that have test
            images, in percent.
        inverse_penalty: C that was chosen.
        validation: Score on the validation part by C, in percent, or its
            mean over the parts.
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
    val_rows: Tensor | None = None,
    val_share: float = 0.2,
    num_folds: int = 1,
    metric: str = 'top1',
    rescale: bool = True,
    max_iters: int = 1000,
) -> ProbeResult:
    """Multinomial logistic regression by L-BFGS, its L2 penalty by validation.

    The convention of SimCLR and BYOL (BYOL, appendix D.2): the penalty is
    the best of a log-spaced grid on a part of the TRAINING images, and the
    classifier is then fitted to all of them. Test labels are read once, to
    count. All is computed on the device of ``train_feats``.

    Args:
        train_feats (Tensor): (N, C) float, finite.
        train_labels (Tensor): (N,) int64 >= 0, at least 2 classes.
        test_feats (Tensor): (M, C) float, finite.
        test_labels (Tensor): (M,) int64, of classes that were trained on.
        seed (int): Of the split in training and validation part.
        grid (Sequence[float]): Values of C, the inverse of the penalty.
        val_rows (Tensor, optional): (N,) bool, the training images that
            validate, where a data set names them.
        val_share (float): Else the share of the training images of every
            class that validate, in (0, 1). Defaults to 0.2.
        num_folds (int): From 2 on, in place of ``val_rows`` and
            ``val_share``: so many parts of the training images validate in
            turn, and the mean of their scores counts. For small sets, of
            which a single part of some hundred images hardly tells penalties
            apart; takes so many times as long. Defaults to 1.
        metric (str): ``'top1'`` or ``'mean_per_class'``: what is validated.
            Defaults to ``'top1'``.
        rescale (bool): Divide the features by one number, so that their mean
            square distance from their mean is 1 and a grid means the same
            for any network. Defaults to True.
        max_iters (int): Of L-BFGS. Defaults to 1000.

    Returns:
        ProbeResult: Accuracies and what was chosen; of equal penalties on
        the validation part the strongest.

    Raises:
        ValueError: If :func:`check_labelled` refuses the parts, there is but
            one class, a class is too small to be split or has no image
            outside ``val_rows``, ``val_rows`` are given with several folds,
            or an argument is out of range.
    """
    check_labelled(train_feats, train_labels, test_feats, test_labels)
    _check(train_labels, grid, val_rows, num_folds, metric)
    device = train_feats.device
    axes = PrincipalAxes(train_feats, rescale=rescale)
    test = axes.rotate(test_feats)
    classes, labels = train_labels.to(device).unique(return_inverse=True)
    expected = torch.searchsorted(classes, test_labels.to(device))
    if val_rows is not None:
        parts = [val_rows.to(device)]
    elif num_folds == 1:
        parts = [_draw_validation(labels, val_share, seed)]
    else:
        parts = _draw_folds(labels, num_folds, seed)
    if any(len(labels[~part].unique()) < len(classes) for part in parts):
        raise ValueError(
            'a class has no training image outside the validation part; '
            'take another val_rows, or a smaller val_share'
        )

    def fit(
        rows: Tensor,
        row_labels: Tensor,
        inverse_penalty: float,
        tolerance: float = SEARCH_TOLERANCE,
    ) -> SoftmaxFit:
        return fit_softmax(
            rows,
            axes.energy * (len(rows) / len(axes.rows)),
            row_labels,
            num_classes=len(classes),
            inverse_penalty=inverse_penalty,
            tolerance=tolerance,
            max_iters=max_iters,
        )

    validation = dict.fromkeys(sorted(grid), 0.0)
    with Bar('linear probe', len(grid) * len(parts) + 1) as bar:
        for part in parts:
            fit_part = axes.rows[~part], labels[~part]
            val_part = axes.rows[part], labels[part]
            for inverse_penalty in validation:
                bar.update(note=f'C {inverse_penalty:.2g}')
                fitted = fit(*fit_part, inverse_penalty)
                scores = _scores(fitted.predict(val_part[0]), val_part[1])
                validation[inverse_penalty] += scores[metric] / len(parts)
                bar.advance()
            del fit_part, val_part
        chosen = max(validation, key=lambda c: (validation[c], -c))
        bar.update(note=f'C {chosen:.2g}, on all images')
        last = fit(axes.rows, labels, chosen, LAST_TOLERANCE)
    return ProbeResult(
        **_scores(last.predict(test), expected),
        inverse_penalty=chosen,
        validation=validation,
        converged=last.converged,
    )


def _scores(predicted: Tensor, expected: Tensor) -> dict[str, float]:
    """Both metrics, in percent."""
    # Recall of the classes that have images, so not of those that were
    # predicted and never expected.
    per_class = recall_score(
        expected.cpu().numpy(),
        predicted.cpu().numpy(),
        labels=expected.unique().cpu().numpy(),
        average='macro',
    )
    return dict(
        top1=100 * float((predicted == expected).double().mean()),
        mean_per_class=100 * float(per_class),
    )


def _draw_validation(labels: Tensor, share: float, seed: int) -> Tensor:
    """(N,) bool, the same share of every class."""
    num_classes = len(labels.unique())
    num_val = math.ceil(share * len(labels))
    if not num_classes <= num_val <= len(labels) - num_classes:
        raise ValueError(
            f'val_share ({share}) puts {num_val} of {len(labels)} training '
            f'images aside; both parts must have {num_classes} or more, one '
            'for each class'
        )
    _, drawn = train_test_split(
        np.arange(len(labels)),
        test_size=num_val,
        random_state=seed % 2**32,
        stratify=labels.cpu().numpy(),
    )
    return _mask(drawn, labels)


def _draw_folds(labels: Tensor, num_folds: int, seed: int) -> list[Tensor]:
    """K of (N,) bool, in which every image is true once."""
    smallest = int(labels.unique(return_counts=True)[1].min())
    if num_folds > smallest:
        raise ValueError(
            f'num_folds must be at most the images of the smallest class, '
            f'{smallest}, got {num_folds}'
        )
    folds = StratifiedKFold(num_folds, shuffle=True, random_state=seed % 2**32)
    places = np.arange(len(labels))
    return [
        _mask(drawn, labels)
        for _, drawn in folds.split(places, labels.cpu().numpy())
    ]


def _mask(places: np.ndarray, labels: Tensor) -> Tensor:
    """(N,) bool on the device of the labels, true at the places."""
    rows = torch.zeros(len(labels), dtype=torch.bool)
    rows[torch.from_numpy(places)] = True
    return rows.to(labels.device)


def _check(
    labels: Tensor,
    grid: Sequence[float],
    val_rows: Tensor | None,
    num_folds: int,
    metric: str,
) -> None:
    if not grid or min(grid) <= 0:
        raise ValueError(f'grid must hold numbers > 0, got {list(grid)}')
    if metric not in METRICS:
        raise ValueError(
            f'metric must be one of {", ".join(METRICS)}, got {metric!r}'
        )
    if num_folds < 1 or (num_folds > 1 and val_rows is not None):
        raise ValueError(
            f'num_folds must be at least 1, and 1 with val_rows, got '
            f'{num_folds}'
        )
    counts = labels.unique(return_counts=True)[1]
    if len(counts) < 2 or (val_rows is None and counts.min() < 2):
        raise ValueError(
            'a linear probe needs at least 2 classes with 2 training images '
            f'each, got {len(counts)} classes, the smallest of '
            f'{int(counts.min())}'
        )
    if val_rows is not None and (
        val_rows.shape != labels.shape or not val_rows.any()
    ):
        raise ValueError(
            'val_rows must be (N,) bool with at least one image, got '
            f'{tuple(val_rows.shape)} with {int(val_rows.sum())} for '
            f'{len(labels)} labels'
        )
