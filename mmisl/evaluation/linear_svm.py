"""Linear support vector machines on frozen features, one for each class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from joblib import Parallel, delayed
from sklearn.metrics import average_precision_score, precision_recall_curve
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.svm import LinearSVC
from torch import Tensor
from torch.nn.functional import normalize

from mmisl.progress import track

# Tried for each class; of features of length 1.
DEFAULT_COSTS = tuple(float(c) for c in np.logspace(-2, 2, 5))
NUM_FOLDS = 3
# Images without the class that are drawn for one with it, in few-shot runs:
# as many as there are other classes on VOC.
NEGATIVES_PER_POSITIVE = 19


@dataclass(frozen=True)
class SVMResult:
    """What the machines of all classes reached on the test images.

    Attributes:
        mean_ap: Mean over classes of the average precision, in percent.
        mean_ap_11points: The same at the 11 recalls of VOC2007, in percent.
        ap: Average precision of every class, in percent.
        costs: Cost of every class, of highest average precision in
            cross-validation.
        scores: (M, K) float64, distances from the planes.
    """

    mean_ap: float
    mean_ap_11points: float
    ap: list[float]
    costs: list[float]
    scores: np.ndarray


def linear_svm(
    train_feats: Tensor,
    train_targets: Tensor,
    test_feats: Tensor,
    test_targets: Tensor,
    *,
    costs: Sequence[float] = DEFAULT_COSTS,
    seed: int = 0,
    num_jobs: int = 1,
) -> SVMResult:
    """Train one linear SVM for each class, on all training images.

    The protocol of Goyal et al. (ICCV 2019, appendix on VOC07): features of
    length 1, positive images weighing twice as much, and the cost of a class
    chosen by cross-validation in 3 folds. Ours: the costs that are tried.
    liblinear, through scikit-learn.

    Args:
        train_feats (Tensor): (N, D) float, finite.
        train_targets (Tensor): (N, K) int64: 1 for a class that is there, 0
            for one that is not, -1 to leave the image out for that class.
        test_feats (Tensor): (M, D) float, finite.
        test_targets (Tensor): (M, K) int64, of the same kind.
        costs (Sequence[float]): C > 0 of the squared hinge loss.
        seed (int): Of folds and solver. Defaults to 0.
        num_jobs (int): Classes at a time, -1 for as many as there are
            processors. Defaults to 1.

    Returns:
        SVMResult: Of the test images.

    Raises:
        ValueError: If a class has fewer than 3 positive or negative training
            images, or no positive test image, targets are not (N, K) and
            (M, K), or a cost is not positive.
    """
    if not costs or min(costs) <= 0:
        raise ValueError(f'costs must hold numbers > 0, got {list(costs)}')
    _check_targets(
        train_targets,
        test_targets,
        positives=NUM_FOLDS,
        negatives=NUM_FOLDS,
        cure='take more images',
    )
    train, test = _unit(train_feats), _unit(test_feats)
    wanted = train_targets.cpu().numpy()

    def solve(column: int) -> tuple[float, np.ndarray]:
        used = wanted[:, column] >= 0
        rows, labels = train[used], wanted[used, column]
        cost = costs[0]
        if len(costs) > 1:
            folds = StratifiedKFold(
                NUM_FOLDS, shuffle=True, random_state=seed % 2**32
            )
            found = [
                cross_val_score(
                    _machine(c, seed),
                    rows,
                    labels,
                    cv=folds,
                    scoring='average_precision',
                ).mean()
                for c in costs
            ]
            cost = costs[int(np.argmax(found))]
        machine = _machine(cost, seed).fit(rows, labels)
        return cost, machine.decision_function(test)

    num_classes = wanted.shape[1]
    solved = Parallel(num_jobs, return_as='generator')(
        delayed(solve)(column) for column in range(num_classes)
    )
    chosen, scores = zip(
        *track(solved, 'SVMs, one for each class', total=num_classes)
    )
    return _result(np.stack(scores, 1), test_targets, list(chosen))


def low_shot_svm(
    train_feats: Tensor,
    train_targets: Tensor,
    test_feats: Tensor,
    test_targets: Tensor,
    *,
    shots: int,
    seed: int,
    cost: float = 1.0,
) -> SVMResult:
    """Train one linear SVM for each class on a few of its images.

    As :func:`linear_svm` with one cost, since there is nothing to choose it
    on: for each class ``shots`` positive images are drawn without replacement
    and 19 times as many of the negative ones, or all there are.

    Args:
        train_feats (Tensor): (N, D) float, finite.
        train_targets (Tensor): (N, K) int64 in {1, 0, -1}.
        test_feats (Tensor): (M, D) float, finite.
        test_targets (Tensor): (M, K) int64 in {1, 0, -1}.
        shots (int): Positive images of a class, at least 1.
        seed (int): Of the draw and the solver.
        cost (float): C > 0. Defaults to 1.

    Returns:
        SVMResult: Of the test images.

    Raises:
        ValueError: If ``shots`` or ``cost`` is out of range, targets are not
            (N, K) and (M, K), or a class has fewer positive training images
            than ``shots``, no negative one, or no positive test image.
    """
    if shots < 1 or cost <= 0:
        raise ValueError(
            f'shots must be at least 1 and cost greater than 0, got {shots} '
            f'and {cost}'
        )
    _check_targets(
        train_targets,
        test_targets,
        positives=shots,
        negatives=1,
        cure='take more images, or fewer shots',
    )
    train, test = _unit(train_feats), _unit(test_feats)
    rng = np.random.default_rng(seed)
    scores = []
    targets = train_targets.cpu().numpy().T
    for labels in track(targets, f'SVMs, {shots} images of each class'):
        positives, negatives = (np.flatnonzero(labels == v) for v in (1, 0))
        num_negatives = min(shots * NEGATIVES_PER_POSITIVE, len(negatives))
        rows = np.concatenate(
            [
                rng.choice(positives, shots, replace=False),
                rng.choice(negatives, num_negatives, replace=False),
            ]
        )
        machine = _machine(cost, seed).fit(train[rows], labels[rows])
        scores.append(machine.decision_function(test))
    return _result(np.stack(scores, 1), test_targets, [cost] * len(scores))


def average_precision_11points(
    labels: np.ndarray, scores: np.ndarray
) -> float:
    """Mean of the best precision at recalls 0, 0.1, ..., 1 or beyond.

    The measure of VOC2007 (Everingham et al., IJCV 2010, section 4.2).

    Args:
        labels (np.ndarray): (M,) integers in {0, 1}, at least one 1.
        scores (np.ndarray): (M,) float, larger for what is rather a 1.

    Returns:
        float: In [0, 1].
    """
    precision, recall, _ = precision_recall_curve(labels, scores)
    # scikit-learn ends the curve with a point that no threshold reaches.
    precision, recall = precision[:-1], recall[:-1]
    levels = np.arange(11) / 10
    # A recall such as 3 / 10 is less than 0.3 by its rounding.
    return float(
        np.mean([precision[recall >= level - 1e-9].max() for level in levels])
    )


def _machine(cost: float, seed: int) -> LinearSVC:
    return LinearSVC(
        C=cost,
        class_weight={1: 2.0, 0: 1.0},
        random_state=seed % 2**32,
        max_iter=5000,
    )


def _unit(feats: Tensor) -> np.ndarray:
    return normalize(feats.detach().double()).cpu().numpy()


def _result(
    scores: np.ndarray, targets: Tensor, costs: list[float]
) -> SVMResult:
    exact, at_11_points = [], []
    for labels, column in zip(targets.cpu().numpy().T, scores.T):
        judged = labels >= 0
        labels, column = labels[judged], column[judged]
        exact.append(100 * float(average_precision_score(labels, column)))
        at_11_points.append(100 * average_precision_11points(labels, column))
    return SVMResult(
        float(np.mean(exact)),
        float(np.mean(at_11_points)),
        exact,
        costs,
        scores,
    )


def _check_targets(
    train: Tensor,
    test: Tensor,
    *,
    positives: int,
    negatives: int,
    cure: str,
) -> None:
    for part, targets in (('train', train), ('test', test)):
        if targets.dim() != 2 or targets.shape[1] != train.shape[1]:
            raise ValueError(
                f'{part}_targets must be (N, K), with one K for both parts, '
                f'got {tuple(targets.shape)}'
            )
    for part, targets, label, needed, what_to_do in (
        ('train', train, 1, positives, cure),
        ('train', train, 0, negatives, 'take more images'),
        ('test', test, 1, 1, 'take more images'),
    ):
        counts = (targets == label).sum(0)
        if counts.min() < needed:
            name = 'with' if label else 'without'
            raise ValueError(
                f'class {int(counts.argmin())} has {int(counts.min())} '
                f'{part} images {name} it, and {needed} are needed; '
                f'{what_to_do}'
            )
