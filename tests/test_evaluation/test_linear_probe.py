import pytest
import torch
from mmpretrain.evaluation import Accuracy, SingleLabelMetric
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, balanced_accuracy_score
from sklearn.model_selection import StratifiedKFold, cross_val_score

from mmisl.evaluation import linear_probe

NUM_CLASSES, DIM = 3, 5


def make(num, *, noise, seed):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(num) % NUM_CLASSES
    centres = torch.eye(NUM_CLASSES, DIM)
    feats = torch.randn(num, DIM, generator=generator)
    return centres[labels] + noise * feats, labels


def probe(noise=0.6, **kwargs):
    train, test = make(60, noise=noise, seed=0), make(37, noise=noise, seed=1)
    return linear_probe(*train, *test, **{'seed': 3, **kwargs})


def test_linear_probe__separable_classes():
    result = probe(noise=0.02)
    assert result.top1 == result.mean_per_class == 100
    assert result.converged
    # Of penalties that do equally well, the strongest.
    best = max(result.validation.values())
    assert result.inverse_penalty == min(
        c for c, accuracy in result.validation.items() if accuracy == best
    )


def test_linear_probe__is_scikit_learns_fit_with_the_penalty_chosen():
    (train, labels), (test, expected) = (
        make(60, noise=0.6, seed=0),
        make(37, noise=0.6, seed=1),
    )
    result = linear_probe(train, labels, test, expected, seed=3)
    mean = train.double().mean(0)
    scale = (train.double() - mean).square().sum(1).mean().sqrt()
    model = LogisticRegression(C=result.inverse_penalty, max_iter=1000)
    model.fit(((train.double() - mean) / scale).numpy(), labels.numpy())
    predicted = torch.from_numpy(
        model.predict(((test.double() - mean) / scale).numpy())
    )
    (top1,) = Accuracy.calculate(predicted, expected)
    _, recall, *_ = SingleLabelMetric.calculate(
        predicted, expected, num_classes=NUM_CLASSES
    )
    assert result.top1 == pytest.approx(float(top1), abs=1e-4)
    # Of 37 images the classes have 13, 12 and 12.
    assert result.mean_per_class == pytest.approx(float(recall), abs=1e-4)
    assert result.top1 != pytest.approx(result.mean_per_class, abs=1e-3)
    assert 50 < result.top1 < 100


def test_linear_probe__scale_of_the_features_does_not_matter():
    (train, labels), (test, expected) = (
        make(60, noise=0.6, seed=0),
        make(37, noise=0.6, seed=1),
    )
    small = linear_probe(train, labels, test, expected, seed=3)
    # Powers of 2, which change no digit.
    large = linear_probe(2**10 * train, labels, 2**10 * test, expected, seed=3)
    assert small == large


def test_linear_probe__what_all_features_have_in_common_does_not_matter():
    (train, labels), (test, expected) = (
        make(60, noise=0.6, seed=0),
        make(37, noise=0.6, seed=1),
    )
    plain = linear_probe(train, labels, test, expected, seed=3)
    moved = linear_probe(
        train.double() + 1e3, labels, test.double() + 1e3, expected, seed=3
    )
    assert plain.top1 == moved.top1
    assert plain.inverse_penalty == moved.inverse_penalty


def test_linear_probe__test_labels_have_no_say():
    (train, labels), (test, expected) = (
        make(60, noise=0.6, seed=0),
        make(37, noise=0.6, seed=1),
    )
    one = linear_probe(train, labels, test, expected, seed=3)
    other = linear_probe(train, labels, test, 2 - expected, seed=3)
    assert one.validation == other.validation
    assert one.inverse_penalty == other.inverse_penalty
    assert one.top1 != other.top1


def test_linear_probe__another_seed_splits_otherwise():
    assert probe() == probe()
    assert probe().validation != probe(seed=4).validation


def test_linear_probe__folds_are_scikit_learns():
    """Mean score of all parts by penalty; every image validates once."""
    (train, labels), test = (
        make(61, noise=0.6, seed=0),
        make(37, noise=0.6, seed=1),
    )
    grid = [0.1, 1.0, 100.0]
    result = linear_probe(train, labels, *test, seed=3, grid=grid, num_folds=4)
    centred = train.double() - train.double().mean(0)
    rows = (centred / centred.square().sum(1).mean().sqrt()).numpy()
    folds = StratifiedKFold(4, shuffle=True, random_state=3)
    for penalty in grid:
        model = LogisticRegression(C=penalty, max_iter=1000)
        scores = cross_val_score(model, rows, labels.numpy(), cv=folds)
        assert result.validation[penalty] == pytest.approx(
            100 * scores.mean(), abs=1e-4
        )
    best = max(grid, key=lambda c: (result.validation[c], -c))
    assert result.inverse_penalty == best
    alone = linear_probe(train, labels, *test, seed=3, grid=[best])
    assert result.top1 == alone.top1


@pytest.mark.parametrize(
    ('num_folds', 'val_rows', 'message'),
    [
        (0, None, 'num_folds must be at least 1, and 1 with val_rows, got 0'),
        (2, torch.arange(60) < 20, 'and 1 with val_rows, got 2'),
        (21, None, 'at most the images of the smallest class, 20, got 21'),
    ],
)
def test_linear_probe__unfit_folds(num_folds, val_rows, message):
    with pytest.raises(ValueError, match=message):
        probe(num_folds=num_folds, val_rows=val_rows)


@pytest.mark.parametrize(
    'change, message',
    [
        (lambda f, y: (f, y[:-1]), r'train features and labels must be'),
        (lambda f, y: (f[:, :4], y), 'train features have 4 dimensions'),
        (lambda f, y: (f / 0, y), 'features of 60 of 60 images hold NaN'),
        (lambda f, y: (f, y - 1), 'train: 20 of 60 images have no label'),
        (
            lambda f, y: (f, y.clamp_max(1)),
            'classes 2 have images in the test part and none in the train',
        ),
        (
            lambda f, y: (f, torch.where(y == 1, 0, y).put_(
                torch.tensor(0), torch.tensor(1))),
            'the smallest of 1',
        ),
    ],
)  # fmt: skip
def test_linear_probe__unfit_features(change, message):
    train = change(*make(60, noise=0.6, seed=0))
    with pytest.raises(ValueError, match=message):
        linear_probe(*train, *make(37, noise=0.6, seed=1), seed=0)


def test_linear_probe__unfit_grid():
    with pytest.raises(ValueError, match=r'grid must hold numbers > 0'):
        probe(grid=(0.0, 1.0))


def test_linear_probe__unfit_share():
    # Both parts of 60 images must have one of each of 3 classes.
    for share, num in ((0.03, 2), (0.96, 58), (0.0, 0), (1.5, 90)):
        message = rf'val_share \({share}\) puts {num} of 60 training images'
        with pytest.raises(ValueError, match=message):
            probe(val_share=share)


def test_linear_probe__one_class():
    train, labels = make(60, noise=0.6, seed=0)
    with pytest.raises(ValueError, match='2 classes .* got 1 classes'):
        linear_probe(train, labels * 0, train, labels * 0, seed=0)


def test_linear_probe__labels_with_gaps_are_classes():
    (train, labels), (test, expected) = (
        make(60, noise=0.6, seed=0),
        make(37, noise=0.6, seed=1),
    )
    plain = linear_probe(train, labels, test, expected, seed=3)
    spread = linear_probe(train, 7 * labels, test, 7 * expected, seed=3)
    assert plain == spread


def test_linear_probe__validates_on_the_rows_named():
    (train, labels), (test, expected) = (
        make(60, noise=0.6, seed=0),
        make(37, noise=0.6, seed=1),
    )
    val_rows = torch.arange(60) >= 47
    # Uneven classes, so that the two metrics differ.
    val_rows[[0, 3]] = True
    for metric in ('top1', 'mean_per_class'):
        result = linear_probe(
            train, labels, test, expected, seed=3, grid=(0.1, 10.0),
            val_rows=val_rows, metric=metric, rescale=False,
        )  # fmt: skip
        for inverse_penalty, score in result.validation.items():
            model = LogisticRegression(C=inverse_penalty, tol=1e-8)
            model.fit(train[~val_rows].numpy(), labels[~val_rows].numpy())
            predicted = model.predict(train[val_rows].numpy())
            score_of = dict(
                top1=accuracy_score, mean_per_class=balanced_accuracy_score
            )[metric]
            assert score == pytest.approx(
                100 * score_of(labels[val_rows].numpy(), predicted)
            )


def test_linear_probe__unfit_validation_rows():
    for rows, message in (
        (torch.zeros(60, dtype=torch.bool), 'at least one image'),
        (torch.ones(59, dtype=torch.bool), r'\(59,\) with 59 for 60 labels'),
        (torch.arange(60) % 3 == 1, 'a class has no training image outside'),
    ):
        with pytest.raises(ValueError, match=message):
            probe(val_rows=rows)
    with pytest.raises(ValueError, match="metric must be .* got 'top5'"):
        probe(metric='top5')
