"""Linear SVMs against scikit-learn's own, and average precision by hand."""

import numpy as np
import pytest
import torch
from mmpretrain.evaluation import AveragePrecision
from sklearn.metrics import average_precision_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import normalize
from sklearn.svm import LinearSVC
from torch.nn.functional import one_hot

from mmisl.evaluation import (
    average_precision_11points,
    linear_svm,
    low_shot_svm,
)

NUM_CLASSES, DIM = 3, 6


def make(num, seed):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(num) % NUM_CLASSES
    feats = torch.randn(num, DIM, generator=generator)
    return feats + 1.2 * torch.eye(NUM_CLASSES, DIM)[labels], one_hot(labels)


def precision_by_hand(labels, scores, level):
    """Best precision of all cuts that reach a recall."""
    order = sorted(range(len(labels)), key=lambda i: -scores[i])
    best, hits = 0.0, 0
    for rank, row in enumerate(order, 1):
        hits += labels[row]
        if 10 * hits >= level * sum(labels):
            best = max(best, hits / rank)
    return best


@pytest.mark.parametrize('num, positives', [(12, 1), (20, 10), (17, 3)])
def test_average_precision_11points__by_hand(num, positives):
    for seed in range(5):
        rng = np.random.default_rng(seed)
        labels = rng.permutation(np.arange(num) < positives).astype(int)
        scores = rng.normal(size=num)
        expected = np.mean(
            [precision_by_hand(labels, scores, level) for level in range(11)]
        )
        found = average_precision_11points(labels, scores)
        assert found == pytest.approx(expected)


def test_linear_svm__is_scikit_learns():
    train, test = make(60, 0), make(31, 1)
    found = linear_svm(*train, *test, costs=(0.5,))
    model = OneVsRestClassifier(
        LinearSVC(C=0.5, class_weight={1: 2.0, 0: 1.0}, max_iter=5000)
    )
    model.fit(normalize(train[0].double().numpy()), train[1].numpy())
    scores = model.decision_function(normalize(test[0].double().numpy()))
    np.testing.assert_allclose(found.scores, scores, rtol=1e-3, atol=1e-3)
    expected = average_precision_score(
        test[1].numpy(), found.scores, average=None
    )
    np.testing.assert_allclose(found.ap, 100 * expected)
    assert found.mean_ap == pytest.approx(100 * expected.mean())
    assert 50 < found.mean_ap < 100


def test_linear_svm__cost_is_chosen_without_the_test_part():
    train, test = make(60, 0), make(31, 1)
    costs = (1e-3, 1.0, 100.0)
    found = linear_svm(*train, *test, costs=costs)
    other = linear_svm(*train, *make(31, 2), costs=costs)
    assert found.costs == other.costs
    assert set(found.costs) <= set(costs)
    assert found == found and found.mean_ap != other.mean_ap


def test_linear_svm__unjudged_images_take_no_part():
    train, test = make(60, 0), make(31, 1)
    feats = torch.cat([train[0], 50 * torch.randn(9, DIM)])
    targets = torch.cat([train[1], torch.full((9, NUM_CLASSES), -1)])
    more = torch.cat([test[0], 50 * torch.randn(5, DIM)])
    judged = torch.cat([test[1], torch.full((5, NUM_CLASSES), -1)])
    plain = linear_svm(*train, *test, costs=(1.0,))
    found = linear_svm(feats, targets, more, judged, costs=(1.0,))
    np.testing.assert_allclose(found.ap, plain.ap)


def test_linear_svm__mean_ap_is_mmpretrains():
    train, (feats, targets) = make(60, 0), make(31, 1)
    targets = targets.masked_fill(torch.rand(targets.shape) < 0.1, -1)
    found = linear_svm(*train, feats, targets, costs=(1.0,))
    theirs = AveragePrecision.calculate(
        torch.from_numpy(found.scores), targets, average='macro'
    )
    assert found.mean_ap == pytest.approx(float(theirs), abs=1e-3)


def test_linear_svm__many_processes_find_the_same():
    train, test = make(60, 0), make(31, 1)
    alone = linear_svm(*train, *test)
    several = linear_svm(*train, *test, num_jobs=2)
    np.testing.assert_array_equal(alone.scores, several.scores)


def test_low_shot_svm__draws_and_improves():
    train, test = make(240, 0), make(61, 1)
    scores = {
        shots: [
            low_shot_svm(*train, *test, shots=shots, seed=seed).mean_ap
            for seed in range(4)
        ]
        for shots in (1, 16)
    }
    assert len(set(scores[1])) == 4
    assert np.mean(scores[16]) > np.mean(scores[1]) + 3
    again = low_shot_svm(*train, *test, shots=1, seed=2)
    assert again.mean_ap == scores[1][2]


def test_low_shot_svm__of_all_images_is_the_fit_of_all():
    feats, targets = make(60, 0)
    # 20 images of a class and 40 others, fewer than 19 times 20.
    found = low_shot_svm(feats, targets, *make(31, 1), shots=20, seed=0)
    whole = linear_svm(feats, targets, *make(31, 1), costs=(1.0,))
    np.testing.assert_allclose(found.scores, whole.scores, atol=2e-3)


def test_low_shot_svm__fewer_negatives_than_shots():
    feats, targets = make(60, 0)
    # All images of the class and two others: nothing is left to draw.
    targets[:, 0] = torch.where(targets[:, 0] == 1, 1, -1)
    targets[1:3, 0] = 0
    judged = targets[:, 0] >= 0
    found = low_shot_svm(feats, targets, *make(31, 1), shots=20, seed=0)
    model = LinearSVC(C=1.0, class_weight={1: 2.0, 0: 1.0}, max_iter=5000)
    rows = normalize(feats[judged].double().numpy())
    model.fit(rows, targets[judged, 0].numpy())
    scores = model.decision_function(normalize(make(31, 1)[0].double()))
    np.testing.assert_allclose(found.scores[:, 0], scores, atol=2e-3)


def test_svm__bad_input():
    train, test = make(60, 0), make(31, 1)
    rare = train[1].clone()
    rare[:, 2] = 0
    rare[:2, 2] = 1
    message = 'class 2 has 2 train images with it, .* take more images$'
    with pytest.raises(ValueError, match=message):
        linear_svm(train[0], rare, *test)
    message = 'with it, and 21 are needed; take more images, or fewer shots$'
    with pytest.raises(ValueError, match=message):
        low_shot_svm(*train, *test, shots=21, seed=0)
    common = torch.ones_like(train[1])
    message = 'class 0 has 0 train images without it, and 1 are .* images$'
    with pytest.raises(ValueError, match=message):
        low_shot_svm(train[0], common, *test, shots=4, seed=0)
    absent = test[1].clone()
    absent[:, 1] = 0
    with pytest.raises(ValueError, match='class 1 has 0 test images with it'):
        linear_svm(*train, test[0], absent)
    with pytest.raises(ValueError, match=r'\(N, K\), .* got \(31, 2\)'):
        linear_svm(*train, test[0], test[1][:, :2])
    with pytest.raises(ValueError, match='costs must hold numbers > 0'):
        linear_svm(*train, *test, costs=(1.0, 0.0))
    with pytest.raises(ValueError, match='shots must be at least 1'):
        low_shot_svm(*train, *test, shots=0, seed=0)
