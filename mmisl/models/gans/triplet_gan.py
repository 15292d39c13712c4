"""Generator and discriminator over triplets of features.

Source: released code, ``models/GAN.py`` (layers) and ``small_main.py``,
``train_gan`` (objectives).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn.utils import parametrizations


def _mlp(widths: list[int], width: int) -> nn.Sequential:
    """Linear layers between ``widths``, the inner ones ``width`` times."""
    if width < 1:
        raise ValueError(f'width must be >= 1, got {width}')
    first, *hidden, last = widths
    widths = [first, *(width * size for size in hidden), last]
    layers: list[nn.Module] = []
    for fan_in, fan_out in zip(widths[:-1], widths[1:]):
        layers += [nn.Linear(fan_in, fan_out), nn.LeakyReLU(0.01)]
    return nn.Sequential(*layers[:-1])  # no activation after the last layer


class ProxyGenerator(BaseModule):
    """Generates a proxy between an anchor's positive and its negative.

    Takes no noise, so one triplet gives one proxy.

    Args:
        feat_dim (int): D. Defaults to 128.
        kind (str): ``'mlp'`` as released, or ``'residual'``: the midpoint of
            positive and negative plus the MLP, whose last layer starts at
            zero, so that proxies begin on the right spot of the sphere.
        width (int): Multiple of the released widths of the hidden layers, 2 D
            and D. Defaults to 1.

    Raises:
        ValueError: If ``kind`` is unknown or ``width`` < 1.
    """

    def __init__(
        self, feat_dim: int = 128, kind: str = 'mlp', *, width: int = 1
    ) -> None:
        super().__init__()
        if kind not in ('mlp', 'residual'):
            raise ValueError(
                f"generator must be 'mlp' or 'residual', got {kind!r}"
            )
        self.kind = kind
        self.layers = _mlp(
            [3 * feat_dim, 2 * feat_dim, feat_dim, feat_dim], width
        )
        if kind == 'residual':
            for param in self.layers[-1].parameters():
                nn.init.zeros_(param)

    def forward(
        self, anchor: Tensor, positive: Tensor, negative: Tensor
    ) -> Tensor:
        """Map three (B, D) features of norm 1 to proxies (B, D), norm 1."""
        proxy = self.layers(torch.cat([anchor, positive, negative], dim=1))
        if self.kind == 'residual':
            proxy = proxy + F.normalize(positive + negative)
        return F.normalize(proxy)


class TripletDiscriminator(BaseModule):
    """Tells a true (anchor, positive, negative) from one with a proxy.

    Args:
        feat_dim (int): D. Defaults to 128.
        spectral_norm (bool): Divide the weights of each layer by their
            largest singular value, so that the logits change no faster than
            the triplet does. It is estimated by one power iteration at each
            forward in training mode, and kept in evaluation mode. Source:
            Miyato et al., "Spectral Normalization for Generative Adversarial
            Networks", ICLR 2018. The released code does not.
            Defaults to False.
        width (int): Multiple of the released widths of the hidden layers, D
            and D / 2. Defaults to 1.

    Raises:
        ValueError: If ``width`` < 1.
    """

    def __init__(
        self,
        feat_dim: int = 128,
        *,
        spectral_norm: bool = False,
        width: int = 1,
    ) -> None:
        super().__init__()
        self.layers = _mlp([3 * feat_dim, feat_dim, feat_dim // 2, 1], width)
        if spectral_norm:
            for layer in self.layers:
                if isinstance(layer, nn.Linear):
                    parametrizations.spectral_norm(layer)

    def forward(
        self, anchor: Tensor, positive: Tensor, negative: Tensor
    ) -> Tensor:
        """Map three (B, D) features to logits (B,); sigmoid gives a score."""
        triplet = torch.cat([anchor, positive, negative], dim=1)
        return self.layers(triplet).squeeze(1)


def discriminator_loss(
    real: Tensor, proxy_negative: Tensor, proxy_positive: Tensor
) -> Tensor:
    """Half of BCE(real, 1) plus the mean of the two BCE(proxy, 0).

    Args:
        real (Tensor): (B,) logits of (a, p, n).
        proxy_negative (Tensor): (B,) logits of (a, p, proxy).
        proxy_positive (Tensor): (B,) logits of (a, proxy, n).

    Returns:
        Tensor: Scalar; 0.69 when the discriminator answers 0.5 throughout.
    """
    fake = F.softplus(proxy_negative) + F.softplus(proxy_positive)
    return 0.5 * (F.softplus(-real) + 0.5 * fake).mean()


def generator_loss(proxy_negative: Tensor, proxy_positive: Tensor) -> Tensor:
    """Mean of the two BCE(proxy, 1): pass as a negative and as a positive.

    Args:
        proxy_negative (Tensor): (B,) logits of (a, p, proxy).
        proxy_positive (Tensor): (B,) logits of (a, proxy, n).

    Returns:
        Tensor: Scalar; 0.69 when the discriminator answers 0.5 throughout.
    """
    both = F.softplus(-proxy_negative) + F.softplus(-proxy_positive)
    return 0.5 * both.mean()
