import pytest
import torch
import torch.nn.functional as F

from mmisl.models.gans import (
    OBJECTIVES,
    discriminator_loss,
    generator_loss,
    hinge_discriminator_loss,
    hinge_generator_loss,
)

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}


def make_logits(number, dtype):
    """Logits on both sides of both margins, and on neither."""
    spread = torch.linspace(-2.5, 2.5, 12, dtype=dtype)
    return [
        spread[torch.randperm(len(spread))].requires_grad_()
        for _ in range(number)
    ]


def beyond_margin(logits):
    """Mean of max(0, 1 - logit), by torch."""
    return F.hinge_embedding_loss(logits, -torch.ones_like(logits), margin=1)


def assert_same_with_gradients(got, expected, leaves):
    tolerance = dict(atol=TOLERANCE[got.dtype], rtol=0)
    torch.testing.assert_close(got, expected, **tolerance)
    for own, reference in zip(
        torch.autograd.grad(got, leaves), torch.autograd.grad(expected, leaves)
    ):
        torch.testing.assert_close(own, reference, **tolerance)


@pytest.mark.parametrize('dtype', TOLERANCE)
def test_hinge_discriminator_loss__value_and_gradient_match_torch(dtype):
    real, as_negative, as_positive = make_logits(3, dtype)
    fake = (beyond_margin(-as_negative) + beyond_margin(-as_positive)) / 2
    assert_same_with_gradients(
        hinge_discriminator_loss(real, as_negative, as_positive),
        (beyond_margin(real) + fake) / 2,
        (real, as_negative, as_positive),
    )


@pytest.mark.parametrize('dtype', TOLERANCE)
def test_hinge_generator_loss__value_and_gradient_match_torch(dtype):
    as_negative, as_positive = make_logits(2, dtype)
    # At the label 1 torch's loss is the mean of the values themselves.
    expected = sum(
        F.hinge_embedding_loss(-logits, torch.ones_like(logits)) / 2
        for logits in (as_negative, as_positive)
    )
    assert_same_with_gradients(
        hinge_generator_loss(as_negative, as_positive),
        expected,
        (as_negative, as_positive),
    )


# Logits of (a, p, n), (a, p, proxy), (a, proxy, n); both losses by hand.
@pytest.mark.parametrize(
    'logits, loss_d, loss_g',
    [
        ((0, 0, 0), 1, 0),
        ((3, -4, -1), 0, 2.5),  # all beyond the margin
        ((0.5, -0.5, 1), (0.5 + (0.5 + 2) / 2) / 2, -0.25),
        ((-1000, 1000, 1000), 1001, -1000),
    ],
)
def test_hinge__by_hand(logits, loss_d, loss_g):
    real, as_negative, as_positive = (
        torch.full((3,), float(value)) for value in logits
    )
    got = hinge_discriminator_loss(real, as_negative, as_positive)
    assert got.item() == pytest.approx(loss_d)
    assert hinge_generator_loss(as_negative, as_positive).item() == loss_g


def test_objectives__names():
    assert OBJECTIVES == {
        'bce': (discriminator_loss, generator_loss),
        'hinge': (hinge_discriminator_loss, hinge_generator_loss),
    }
