"""Whitening never blows rounding up to a component of variance 1."""

import pytest
import torch

from mmisl.clustering import fit_whitening

DTYPES = [torch.float32, torch.float64]


def plane(*, offset, dtype, extra=0.0):
    """Rows of two directions around an offset, and little of a third."""
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(500, 3, generator=generator, dtype=torch.float64)
    axes = torch.randn(3, 6, generator=generator, dtype=torch.float64)
    weights[:, 2] *= extra
    return (weights @ axes + offset).to(dtype)


@pytest.mark.parametrize('dtype', DTYPES)
@pytest.mark.parametrize('offset', [0.0, 10.0, 1000.0])
def test_fit_whitening__rounding_of_the_rows_is_no_direction(dtype, offset):
    rows = plane(offset=offset, dtype=dtype)
    with pytest.raises(ValueError, match='vary in 2 directions only'):
        fit_whitening(rows, 3)
    fit_whitening(rows, 2)


@pytest.mark.parametrize('dtype', DTYPES)
def test_fit_whitening__a_weak_direction_is_one(dtype):
    # A thousand times the rounding of float32 around 10.
    rows = plane(offset=10.0, dtype=dtype, extra=1e-3)
    found = fit_whitening(rows, 3)(rows)
    torch.testing.assert_close(
        found.double().var(0, unbiased=False),
        torch.ones(3, dtype=torch.float64),
        rtol=1e-3,
        atol=1e-3,
    )


def test_fit_whitening__a_large_feature_does_not_hide_a_small_one():
    rows = torch.randn(500, 2) * torch.tensor([1e-3, 1e4])
    assert fit_whitening(rows, 2).components.isfinite().all()


def test_fit_whitening__collapsed_network():
    # What is left of the differences between images is a few last places.
    layer = torch.nn.Linear(512, 64)
    inputs = torch.rand(1, 512) + 1e-7 * torch.rand(300, 512)
    with torch.no_grad():
        rows = layer(inputs)
    assert 0 < rows.std(0).max() < 1e-6
    with pytest.raises(ValueError, match='look for a collapse'):
        fit_whitening(rows, 16)


@pytest.mark.parametrize('value', [torch.nan, torch.inf])
def test_fit_whitening__not_finite(value):
    rows = torch.randn(50, 4)
    rows[7, 2] = value
    with pytest.raises(ValueError, match='hold NaN or infinity.*lower the l'):
        fit_whitening(rows, 2)


def test_fit_whitening__named_device():
    rows = plane(offset=1.0, dtype=torch.float32)
    default = fit_whitening(rows, 2)
    named = fit_whitening(rows, 2, device=torch.device('cpu'))
    assert torch.equal(default.components, named.components)
    # Proof that it is computed there: nothing can be read from it.
    with pytest.raises(RuntimeError, match='meta tensors'):
        fit_whitening(rows, 2, device=torch.device('meta'))
