import math

import pytest
import torch
import torch.nn.functional as F
from reference import gan as oracle
from torch import nn

from mmisl.models.gans import (
    ProxyGenerator,
    TripletDiscriminator,
    discriminator_loss,
    generator_loss,
)

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}


def unit_triplet(num_rows, feat_dim=6, dtype=torch.float64):
    feats = torch.randn(3, num_rows, feat_dim, dtype=dtype)
    return F.normalize(feats, dim=-1).unbind()


def layers_of(network, dtype=torch.float64):
    """Weights and biases as leaves of their own."""
    return [
        tuple(
            param.detach().to(dtype).requires_grad_()
            for param in (layer.weight, layer.bias)
        )
        for layer in network.layers
        if isinstance(layer, nn.Linear)
    ]


def gradients(scalar, leaves):
    return torch.autograd.grad(scalar, leaves)


def test_networks__have_the_released_widths():
    generator, discriminator = ProxyGenerator(), TripletDiscriminator()
    for network, widths, size in (
        (generator, oracle.GENERATOR_WIDTHS, 147968),
        (discriminator, oracle.DISCRIMINATOR_WIDTHS, 57601),
    ):
        shapes = [weight.shape for weight, _ in layers_of(network)]
        assert shapes == list(zip(widths[1:], widths[:-1]))
        assert sum(p.numel() for p in network.parameters()) == size


@pytest.mark.parametrize('network', [ProxyGenerator, TripletDiscriminator])
def test_networks__width_multiplies_hidden_layers_alone(network):
    released, wide = (
        [weight.shape for weight, _ in layers_of(network(6, width=width))]
        for width in (1, 3)
    )
    for layer, (given, found) in enumerate(zip(released, wide)):
        is_first, is_last = layer == 0, layer == len(released) - 1
        assert found[1] == given[1] * (1 if is_first else 3)
        assert found[0] == given[0] * (1 if is_last else 3)


@pytest.mark.parametrize('dtype', TOLERANCE)
def test_forward__matches_oracle(dtype):
    triplet = unit_triplet(4, dtype=dtype)
    wide = [feats.double() for feats in triplet]
    tolerance = dict(atol=TOLERANCE[dtype], rtol=0)
    generator = ProxyGenerator(6).to(dtype)
    proxy = generator(*triplet)
    expected = oracle.generate(*wide, layers=layers_of(generator))
    torch.testing.assert_close(proxy.double(), expected, **tolerance)
    torch.testing.assert_close(
        proxy.norm(dim=1), torch.ones(4, dtype=dtype), **tolerance
    )
    discriminator = TripletDiscriminator(6).to(dtype)
    logits = discriminator(*triplet)
    assert logits.shape == (4,)
    expected = oracle.discriminate(*wide, layers=layers_of(discriminator))
    torch.testing.assert_close(
        logits.sigmoid().double(), expected, **tolerance
    )


@pytest.mark.parametrize('dtype', TOLERANCE)
def test_discriminator_loss__value_and_gradient_match_oracle(dtype):
    anchor, positive, negative = unit_triplet(4, dtype=dtype)
    proxy = unit_triplet(4, dtype=dtype)[0]
    network = TripletDiscriminator(6).to(dtype)
    got = discriminator_loss(
        network(anchor, positive, negative),
        network(anchor, positive, proxy),
        network(anchor, proxy, negative),
    )
    layers = layers_of(network)
    a, p, n, x = (t.double() for t in (anchor, positive, negative, proxy))
    expected = oracle.discriminator_loss(
        oracle.discriminate(a, p, n, layers=layers),
        oracle.discriminate(a, p, x, layers=layers),
        oracle.discriminate(a, x, n, layers=layers),
    )
    assert_same_with_gradients(got, network, expected, layers)


@pytest.mark.parametrize('dtype', TOLERANCE)
def test_generator_loss__value_and_gradient_match_oracle(dtype):
    # The gradient is that of the generator, through both of its triplets.
    anchor, positive, negative = unit_triplet(4, dtype=dtype)
    generator = ProxyGenerator(6).to(dtype)
    discriminator = TripletDiscriminator(6).to(dtype)
    proxy = generator(anchor, positive, negative)
    got = generator_loss(
        discriminator(anchor, positive, proxy),
        discriminator(anchor, proxy, negative),
    )
    layers = layers_of(generator)
    judge = layers_of(discriminator)
    a, p, n = (t.double() for t in (anchor, positive, negative))
    x = oracle.generate(a, p, n, layers=layers)
    expected = oracle.generator_loss(
        oracle.discriminate(a, p, x, layers=judge),
        oracle.discriminate(a, x, n, layers=judge),
    )
    assert_same_with_gradients(got, generator, expected, layers)


def assert_same_with_gradients(got, network, expected, layers):
    tolerance = dict(atol=TOLERANCE[got.dtype], rtol=0)
    torch.testing.assert_close(got.double(), expected, **tolerance)
    leaves = [leaf for layer in layers for leaf in layer]
    for own, reference in zip(
        gradients(got, list(network.parameters())),
        gradients(expected, leaves),
        strict=True,
    ):
        torch.testing.assert_close(own.double(), reference, **tolerance)


@pytest.mark.parametrize('dtype', TOLERANCE)
def test_losses__logits_of_a_thousand_stay_finite(dtype):
    sure, wrong = (
        torch.full((3,), value, dtype=dtype, requires_grad=True)
        for value in (1000.0, -1000.0)
    )
    for value, expected in (
        (discriminator_loss(sure, wrong, wrong), 0),
        (discriminator_loss(wrong, sure, sure), 1000),
        (generator_loss(sure, sure), 0),
        (generator_loss(wrong, sure), 500),
        (generator_loss(wrong, wrong), 1000),
    ):
        assert value == expected
        for leaf in (sure, wrong):
            (grad,) = torch.autograd.grad(
                value, leaf, retain_graph=True, allow_unused=True
            )
            assert grad is None or grad.isfinite().all()


def test_losses__undecided_discriminator_gives_log_two():
    zero = torch.zeros(5)
    for value in (
        discriminator_loss(zero, zero, zero),
        generator_loss(zero, zero),
    ):
        assert float(value) == pytest.approx(math.log(2))


def test_init__residual_starts_between_positive_and_negative():
    anchor, positive, negative = unit_triplet(4, dtype=torch.float32)
    generator = ProxyGenerator(6, 'residual')
    proxy = generator(anchor, positive, negative)
    expected = F.normalize(positive + negative)
    torch.testing.assert_close(proxy, expected)
    proxy.sum().backward()
    assert generator.layers[-1].weight.grad.abs().max() > 0  # it can learn


def test_forward__residual_adds_the_layers():
    triplet = unit_triplet(4)
    generator = ProxyGenerator(6, 'residual').double()
    nn.init.normal_(generator.layers[-1].weight)
    middle = F.normalize(triplet[1] + triplet[2])
    expected = F.normalize(middle + generator.layers(torch.cat(triplet, 1)))
    torch.testing.assert_close(generator(*triplet), expected)


def spectral_players(dtype=torch.float64):
    """A discriminator in training mode, and its triplet."""
    network = TripletDiscriminator(6, spectral_norm=True).to(dtype)
    return network, unit_triplet(4, dtype=dtype)


@torch.no_grad()
def iterate_power_method(network, triplet):
    """Until the spectral norms are those of SVD."""
    for _ in range(400):
        network(*triplet)


def test_forward__spectral_norm_matches_svd_in_value_and_gradient():
    network, triplet = spectral_players()
    iterate_power_method(network, triplet)
    leaves = [
        (weight, layer.bias.detach().requires_grad_())
        for layer in network.layers[::2]
        for weight in [
            layer.parametrizations.weight.original.detach().requires_grad_()
        ]
    ]
    layers = [
        (weight / torch.linalg.matrix_norm(weight, 2), bias)
        for weight, bias in leaves
    ]
    got = network(*triplet).sigmoid()
    expected = oracle.discriminate(*triplet, layers=layers)
    torch.testing.assert_close(got, expected, atol=1e-10, rtol=0)
    own = [
        (layer.parametrizations.weight.original, layer.bias)
        for layer in network.layers[::2]
    ]
    for grad, reference in zip(
        gradients(got.sum(), [leaf for pair in own for leaf in pair]),
        gradients(expected.sum(), [leaf for pair in leaves for leaf in pair]),
        strict=True,
    ):
        torch.testing.assert_close(grad, reference, atol=1e-9, rtol=0)


def test_forward__spectral_norm_bounds_the_slope():
    network, first = spectral_players()
    for param in network.parameters():
        nn.init.normal_(param, std=50)
    iterate_power_method(network, first)
    second = unit_triplet(4)
    distance = (torch.cat(first, 1) - torch.cat(second, 1)).norm(dim=1)
    moved = (network(*first) - network(*second)).abs()
    assert (moved <= distance * (1 + 1e-6)).all()


def test_forward__spectral_norm_is_kept_in_evaluation_mode():
    network, triplet = spectral_players(torch.float32)
    buffers = {name: b.clone() for name, b in network.named_buffers()}
    assert len(buffers) == 2 * 3  # two singular vectors a layer
    network.eval()(*triplet)
    for name, buffer in network.named_buffers():
        assert torch.equal(buffer, buffers[name]), name
    network.train()(*triplet)
    for name, buffer in network.named_buffers():
        # The last layer has one row: there is only one direction.
        if buffer.numel() > 1 and not name.startswith('layers.4'):
            assert not torch.equal(buffer, buffers[name]), name


def test_init__spectral_norm_changes_only_its_own_keys():
    plain = TripletDiscriminator(6).state_dict()
    normed = TripletDiscriminator(6, spectral_norm=True).state_dict()
    prefix = 'parametrizations.weight'
    for layer in (0, 2, 4):
        shape = normed.pop(f'layers.{layer}.{prefix}.original').shape
        assert shape == plain.pop(f'layers.{layer}.weight').shape
        del normed[f'layers.{layer}.{prefix}.0._u']
        del normed[f'layers.{layer}.{prefix}.0._v']
    assert normed.keys() == plain.keys()


def test_init__unknown_kind_is_named():
    with pytest.raises(
        ValueError, match="must be 'mlp' or 'residual', got 'unet'"
    ):
        ProxyGenerator(kind='unet')


@pytest.mark.parametrize('network', [ProxyGenerator, TripletDiscriminator])
def test_init__no_width(network):
    with pytest.raises(ValueError, match='width must be >= 1, got 0'):
        network(width=0)
