"""Generator, discriminator and their objectives.

Source: official code, ``models/GAN.py``, and the GAN stage of its main
script.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .scalars import unit

Layers = list[tuple[Tensor, Tensor]]

GENERATOR_WIDTHS = (384, 256, 128, 128)
DISCRIMINATOR_WIDTHS = (384, 128, 64, 1)
NEGATIVE_SLOPE = 0.01


def _linear(vector: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Affine map of one vector, one output unit after the other."""
    outputs = []
    for unit_weight, unit_bias in zip(weight, bias, strict=True):
        outputs.append(torch.dot(unit_weight, vector) + unit_bias)
    return torch.stack(outputs)


def _mlp(vector: Tensor, layers: Layers) -> Tensor:
    """Affine layers with a LeakyReLU between each two."""
    for depth, (weight, bias) in enumerate(layers):
        if depth > 0:
            vector = torch.where(vector > 0, vector, NEGATIVE_SLOPE * vector)
        vector = _linear(vector, weight, bias)
    return vector


def generate(
    anchors: Tensor, positives: Tensor, negatives: Tensor, *, layers: Layers
) -> Tensor:
    """Proxies ``p* = G(a, p, n)``; no noise enters.

    Args:
        anchors (Tensor): (B, D) float.
        positives (Tensor): (B, D) float.
        negatives (Tensor): (B, D) float.
        layers (Layers): Weight (out, in) and bias (out,) of each layer, first
            to last; widths ``GENERATOR_WIDTHS`` for D = 128.

    Returns:
        Tensor: (B, D) float, norm 1.
    """
    proxies = []
    for a, p, n in zip(anchors, positives, negatives, strict=True):
        proxies.append(unit(_mlp(torch.cat([a, p, n]), layers)))
    return torch.stack(proxies)


def discriminate(
    first: Tensor, second: Tensor, third: Tensor, *, layers: Layers
) -> Tensor:
    """Probability that each triplet is a real (a, p, n).

    Args:
        first (Tensor): (B, D) float, anchors.
        second (Tensor): (B, D) float, what stands as positive.
        third (Tensor): (B, D) float, what stands as negative.
        layers (Layers): As in :func:`generate`, widths
            ``DISCRIMINATOR_WIDTHS`` for D = 128.

    Returns:
        Tensor: (B,) float in (0, 1).
    """
    probabilities = []
    for triplet in zip(first, second, third, strict=True):
        logit = _mlp(torch.cat(triplet), layers)[0]
        probabilities.append(1 / (1 + torch.exp(-logit)))
    return torch.stack(probabilities)


def _binary_cross_entropy(probabilities: Tensor, *, real: bool) -> Tensor:
    """Mean over the batch of ``-log d`` (real) or ``-log(1 - d)`` (fake)."""
    total = torch.zeros_like(probabilities[0])
    for probability in probabilities:
        total = total - torch.log(probability if real else 1 - probability)
    return total / len(probabilities)


def discriminator_loss(d_real: Tensor, d_app: Tensor, d_apn: Tensor) -> Tensor:
    """Real triplets against both kinds of fake ones, which count half each.

    Args:
        d_real (Tensor): (B,) float in (0, 1), ``D(a, p, n)``.
        d_app (Tensor): (B,) float in (0, 1), ``D(a, p, p*)``.
        d_apn (Tensor): (B,) float in (0, 1), ``D(a, p*, n)``.

    Returns:
        Tensor: Scalar.
    """
    fake = 0.5 * _binary_cross_entropy(d_app, real=False)
    fake = fake + 0.5 * _binary_cross_entropy(d_apn, real=False)
    return 0.5 * (_binary_cross_entropy(d_real, real=True) + fake)


def generator_loss(d_app: Tensor, d_apn: Tensor) -> Tensor:
    """The proxy shall pass as a negative and as a positive.

    Args:
        d_app (Tensor): (B,) float in (0, 1), ``D(a, p, p*)``.
        d_apn (Tensor): (B,) float in (0, 1), ``D(a, p*, n)``.

    Returns:
        Tensor: Scalar.
    """
    as_negative = 0.5 * _binary_cross_entropy(d_app, real=True)
    return as_negative + 0.5 * _binary_cross_entropy(d_apn, real=True)
