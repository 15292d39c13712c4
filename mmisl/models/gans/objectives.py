"""What discriminator and generator minimise: by cross entropy or hinge."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor

from .triplet_gan import discriminator_loss, generator_loss


class Objective(NamedTuple):
    """The two losses of one game, both functions of logits.

    Attributes:
        discriminator: Of the logits (B,) of (a, p, n), (a, p, proxy) and
            (a, proxy, n); returns a scalar.
        generator: Of the logits (B,) of (a, p, proxy) and (a, proxy, n);
            returns a scalar.
    """

    discriminator: Callable[[Tensor, Tensor, Tensor], Tensor]
    generator: Callable[[Tensor, Tensor], Tensor]


def hinge_discriminator_loss(
    real: Tensor, proxy_negative: Tensor, proxy_positive: Tensor
) -> Tensor:
    """Half of max(0, 1 - real) plus the mean of the two max(0, 1 + proxy).

    Triplets that are judged rightly by a margin of 1 ask for nothing more,
    so a discriminator that wins has no reason to grow its logits. Source: Lim
    and Ye, "Geometric GAN", 2017 (arXiv:1705.02894); Tran et al.,
    "Hierarchical Implicit Models and Likelihood-Free Variational Inference",
    NeurIPS 2017. Weighted as :func:`discriminator_loss` is.

    Args:
        real (Tensor): (B,) logits of (a, p, n).
        proxy_negative (Tensor): (B,) logits of (a, p, proxy).
        proxy_positive (Tensor): (B,) logits of (a, proxy, n).

    Returns:
        Tensor: Scalar, at least 0; 1 when all logits are 0.
    """
    fake = F.relu(1 + proxy_negative) + F.relu(1 + proxy_positive)
    return 0.5 * (F.relu(1 - real) + 0.5 * fake).mean()


def hinge_generator_loss(
    proxy_negative: Tensor, proxy_positive: Tensor
) -> Tensor:
    """Minus the mean logit of both triplets with a proxy.

    It has no bound and is 0 when all logits are 0. Source: as of
    :func:`hinge_discriminator_loss`.

    Args:
        proxy_negative (Tensor): (B,) logits of (a, p, proxy).
        proxy_positive (Tensor): (B,) logits of (a, proxy, n).

    Returns:
        Tensor: Scalar.
    """
    return -0.5 * (proxy_negative + proxy_positive).mean()


OBJECTIVES = {
    'bce': Objective(discriminator_loss, generator_loss),
    'hinge': Objective(hinge_discriminator_loss, hinge_generator_loss),
}
