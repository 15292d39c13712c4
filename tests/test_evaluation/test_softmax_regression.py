"""The solver against scikit-learn, run until it moves no more."""

import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch.nn.functional import cross_entropy

from mmisl.evaluation import PrincipalAxes, fit_softmax

NUM_CLASSES = 4


def make(num, width, *, decay=1.0):
    """Features whose energies lie decades apart, far from the origin."""
    labels = torch.arange(num) % NUM_CLASSES
    scale = torch.arange(1, width + 1) ** -decay
    feats = (
        torch.randn(num, width) + 0.7 * torch.randn(NUM_CLASSES, width)[labels]
    )
    turned = torch.linalg.qr(torch.randn(width, width))[0]
    return (feats * scale) @ turned + 2, labels


def objective(feats, labels, weight, bias, inverse_penalty):
    loss = cross_entropy(feats @ weight.T + bias, labels, reduction='sum')
    return (loss + weight.square().sum() / (2 * inverse_penalty)) / len(feats)


def scikit(feats, labels, inverse_penalty):
    model = LogisticRegression(C=inverse_penalty, tol=1e-10, max_iter=50_000)
    model.fit(feats.numpy(), labels.numpy())
    return torch.from_numpy(model.coef_), torch.from_numpy(model.intercept_)


def fit(axes, labels, inverse_penalty, **kwargs):
    return fit_softmax(
        axes.rows,
        axes.energy,
        labels,
        num_classes=NUM_CLASSES,
        inverse_penalty=inverse_penalty,
        **kwargs,
    )


@pytest.mark.parametrize('inverse_penalty', [1e-3, 1.0, 1e3])
@pytest.mark.parametrize('num, width', [(61, 7), (13, 29)])
def test_fit_softmax__reaches_the_minimum(num, width, inverse_penalty):
    feats, labels = make(num, width)
    axes = PrincipalAxes(feats, rescale=False)
    found = fit(axes, labels, inverse_penalty)
    assert found.converged
    best = objective(
        feats.double(),
        labels,
        *scikit(feats.double(), labels, inverse_penalty),
        inverse_penalty,
    )
    # In the axes as they are, in double: what was reached.
    reached = objective(
        axes.rows.double(),
        labels,
        found.weight.double(),
        found.bias.double(),
        inverse_penalty,
    )
    assert found.objective == pytest.approx(float(reached), rel=1e-5)
    assert float(reached) == pytest.approx(float(best), rel=1e-3, abs=1e-5)
    assert float(reached) >= float(best) * (1 - 1e-5)


def test_fit_softmax__predicts_as_scikit_learn():
    feats, labels = make(80, 6)
    others, _ = make(53, 6)
    axes = PrincipalAxes(feats, rescale=False)
    found = fit(axes, labels, 1.0)
    model = LogisticRegression(C=1.0, tol=1e-10, max_iter=50_000)
    model.fit(feats.numpy(), labels.numpy())
    expected = torch.from_numpy(model.predict(others.numpy()))
    assert torch.equal(found.predict(axes.rotate(others)), expected)


def test_fit_softmax__columns_without_energy_change_nothing():
    feats, labels = make(61, 7)
    dead = torch.cat([feats, torch.zeros(61, 3), torch.ones(61, 1)], dim=1)
    objectives = []
    for rows in (feats, dead):
        axes = PrincipalAxes(rows, rescale=True)
        found = fit(axes, labels, 1e4)
        assert found.converged
        objectives.append(found.objective)
    assert objectives[0] == pytest.approx(objectives[1], rel=1e-4)


def test_fit_softmax__stopped_before_its_end():
    feats, labels = make(61, 7)
    axes = PrincipalAxes(feats, rescale=True)
    found = fit(axes, labels, 1e3, max_iters=2)
    assert not found.converged


@pytest.mark.parametrize('num, width', [(61, 7), (13, 29)])
def test_principal_axes__keep_distances(num, width):
    feats, _ = make(num, width)
    others, _ = make(5, width)
    axes = PrincipalAxes(feats, rescale=False)
    assert axes.rows.shape[1] <= min(num, width)
    distances = [
        torch.linalg.vector_norm(rows[:, None] - rows, dim=2)
        for rows in (axes.rows, feats)
    ]
    torch.testing.assert_close(*distances, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(
        axes.rotate(feats), axes.rows, rtol=1e-4, atol=1e-5
    )
    assert axes.rotate(others).shape == (5, axes.rows.shape[1])
    torch.testing.assert_close(
        axes.energy.float(), axes.rows.square().sum(0), rtol=1e-3, atol=1e-4
    )


@pytest.mark.parametrize('rescale', [True, False])
def test_principal_axes__classifier_for_features_as_they_were(rescale):
    feats, _ = make(61, 7)
    axes = PrincipalAxes(feats, rescale=rescale)
    weight, bias = torch.randn(NUM_CLASSES, 7), torch.randn(NUM_CLASSES)
    scores = axes.rows @ weight.T + bias
    weight, bias = axes.unrotate(weight, bias)
    torch.testing.assert_close(
        (feats.double() @ weight.T + bias).float(),
        scores,
        rtol=1e-4,
        atol=1e-4,
    )


def test_principal_axes__rescaled_to_a_mean_square_of_1():
    feats, _ = make(61, 7)
    for factor in (1.0, 1e-3, 1e3):
        rows = PrincipalAxes(factor * feats, rescale=True).rows
        torch.testing.assert_close(
            rows.square().sum(1).mean(), torch.tensor(1.0)
        )
