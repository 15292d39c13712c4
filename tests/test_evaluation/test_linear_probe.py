import pytest
import torch
from sklearn.linear_model import LogisticRegression

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
    right = predicted == expected
    assert result.top1 == pytest.approx(100 * right.double().mean().item())
    classes = [right[expected == c].double().mean() for c in range(3)]
    assert result.mean_per_class == pytest.approx(
        100 * torch.stack(classes).mean().item()
    )
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


@pytest.mark.parametrize(
    'change, message',
    [
        (lambda f, y: (f, y[:-1]), r'train_feats and train_labels must be'),
        (lambda f, y: (f[:, :4], y), 'train_feats have 4 dimensions'),
        (lambda f, y: (f / 0, y), 'train_feats hold NaN or infinity'),
        (lambda f, y: (f, y * 0), 'at least 2 classes .* got 1 classes'),
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
