"""Scales of layers move, and what the chain computes does not."""

from importlib.util import find_spec

import numpy as np
import pytest
import torch
from torch import nn

if find_spec('mmdet') is None:
    pytest.skip('needs mmdet: make test installs it', allow_module_level=True)

from mmisl.detection.rescaling import (
    balancing_factors,
    layers_to_rescale,
    rescale,
)
from mmisl.models import AlexNetBN
from mmisl.models.layers import NormedLayer

CHANNELS = (3, 4, 5, 6, 7)


class Detector(nn.Module):
    """The parts of a Fast R-CNN that are rescaled."""

    def __init__(self, norm='none', head=None):
        super().__init__()
        self.backbone = AlexNetBN('small', channels=CHANNELS, norm=norm)
        self.roi_head = nn.Module()
        self.roi_head.shared_head = head or nn.Sequential(
            NormedLayer(nn.Linear, 7 * 4, 9, norm=norm),
            nn.Dropout(),
            NormedLayer(nn.Linear, 9, 8, norm=norm),
        )


def test_layers_to_rescale__in_the_order_of_computing():
    layers = layers_to_rescale(Detector())
    assert list(layers) == [
        *(f'backbone.conv{stage}.0' for stage in range(1, 6)),
        'roi_head.shared_head.0.0',
        'roi_head.shared_head.2.0',
    ]
    assert [len(layer.weight) for layer in layers.values()] == [
        *CHANNELS,
        9,
        8,
    ]


def test_layers_to_rescale__other_detectors():
    folded = (
        'normalisation is folded, and backbone.conv1.1 is BatchNorm2d; set '
        "norm='none' for backbone and shared head and fold_norm=True for"
    )
    for norm in ('BN', 'frozen'):
        with pytest.raises(ValueError, match=folded):
            layers_to_rescale(Detector(norm))
    with pytest.raises(ValueError, match='shared_head, Sigmoid, keeps scales'):
        layers_to_rescale(Detector(head=nn.Sigmoid()))
    detector = Detector()
    detector.backbone = nn.Conv2d(3, 4, 3)
    with pytest.raises(ValueError, match='Detector has Conv2d and Sequential'):
        layers_to_rescale(detector)
    detector = Detector()
    detector.roi_head.shared_head = None
    with pytest.raises(ValueError, match='AlexNetBN and NoneType; take the'):
        layers_to_rescale(detector)


def test_balancing_factors__by_hand():
    # Geometric mean of 1, 16 and 256 is 16; roots of 1/16, 1 and 16.
    factors = balancing_factors(torch.tensor([1.0, 16.0, 256.0]))
    torch.testing.assert_close(
        factors, torch.tensor([0.25, 1, 4], dtype=torch.float64)
    )


def make_chain(dtype):
    """Two convolutions and a linear layer of very different scales."""
    torch.manual_seed(0)
    chain = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 5, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(5 * 4 * 3, 6),
        nn.ReLU(),
    ).to(dtype)
    for layer, scale in zip(layers_of(chain), (5.0, 0.02, 3.0), strict=True):
        nn.init.normal_(layer.weight, std=0.3 * scale)
        nn.init.normal_(layer.bias, std=scale)
    return chain


def layers_of(chain):
    return [chain[0], chain[3], chain[6]]


@pytest.mark.parametrize(
    'dtype, tolerance', [(torch.float32, 1e-5), (torch.float64, 1e-12)]
)
def test_rescale__outputs_stay(dtype, tolerance):
    chain = make_chain(dtype)
    images = torch.randn(7, 3, 12, 10, dtype=dtype)
    with torch.no_grad():
        expected = chain(images)
        before = [layer.weight.clone() for layer in layers_of(chain)]
        rescale(layers_of(chain), torch.tensor([8.0, 0.0625, 2.0]))
        given = chain(images)
    assert expected.count_nonzero() > expected.numel() / 4
    scale = expected.abs().max()
    torch.testing.assert_close(
        given / scale, expected / scale, rtol=0, atol=tolerance
    )
    for layer, old in zip(layers_of(chain), before, strict=True):
        assert not torch.allclose(layer.weight, old)


def numpy_rates(weights, biases, inputs, output_gradient):
    """Rates of a chain of linear layers and ReLU, by the chain rule."""
    values, inside = [inputs], []
    for weight, bias in zip(weights, biases, strict=True):
        inside.append(values[-1] @ weight.T + bias)
        values.append(np.maximum(inside[-1], 0))
    gradient, rates = output_gradient, []
    for k in reversed(range(len(weights))):
        gradient = gradient * (inside[k] > 0)
        rates.append(
            np.sqrt(((gradient.T @ values[k]) ** 2).sum())
            / np.sqrt((weights[k] ** 2).sum())
        )
        gradient = gradient @ weights[k]
    return np.array(rates[::-1])


def test_rescale__rates_become_equal():
    rng = np.random.default_rng(0)
    sizes = (5, 7, 6, 8, 4)
    layers = [
        nn.Linear(i, o).double()
        for i, o in zip(sizes, sizes[1:], strict=False)
    ]
    for layer, scale in zip(layers, (4.0, 0.1, 1.0, 0.3), strict=True):
        layer.weight.data = torch.from_numpy(
            scale * rng.normal(size=layer.weight.shape)
        )
    inputs, gradient = rng.normal(size=(11, 5)), rng.normal(size=(11, 4))

    def measure():
        return numpy_rates(
            [layer.weight.detach().numpy() for layer in layers],
            [layer.bias.detach().numpy() for layer in layers],
            inputs,
            gradient,
        )

    before = measure()
    assert before.max() / before.min() > 10
    rescale(layers, balancing_factors(torch.from_numpy(before)))
    # All at the geometric mean of what they were.
    expected = np.full(4, before.prod() ** 0.25)
    np.testing.assert_allclose(measure(), expected, rtol=1e-10)
    # Once more changes nothing.
    factors = balancing_factors(torch.from_numpy(measure()))
    torch.testing.assert_close(factors, torch.ones_like(factors))
