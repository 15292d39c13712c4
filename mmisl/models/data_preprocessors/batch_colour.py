"""Random colours and flips of each image of a batch, all at once."""

from __future__ import annotations

import math

import torch
from kornia.color import rgb_to_grayscale
from kornia.enhance import adjust_hue
from torch import Tensor

from mmisl.registry import MODELS

_BRIGHTNESS, _CONTRAST, _SATURATION, _HUE = range(4)


@MODELS.register_module()
class BatchColorJitter:
    """``torchvision.transforms.ColorJitter`` for a batch.

    Each image has factors of its own and takes the four steps in an order of
    its own, as there.

    Args:
        brightness (float): Factors are drawn from [max(0, 1 - brightness),
            1 + brightness]. Defaults to 0.
        contrast (float): Likewise. Defaults to 0.
        saturation (float): Likewise. Defaults to 0.
        hue (float): Turns of the colour wheel are drawn from [-hue, hue], at
            most 0.5. Defaults to 0.

    Raises:
        ValueError: If an argument is out of range.
    """

    num_draws = 8

    def __init__(
        self,
        brightness: float = 0,
        contrast: float = 0,
        *,
        saturation: float = 0,
        hue: float = 0,
    ) -> None:
        self.strengths = (brightness, contrast, saturation, hue)
        if min(self.strengths) < 0 or hue > 0.5:
            raise ValueError(
                'brightness, contrast and saturation must be at least 0 and '
                f'hue in [0, 0.5], got {self.strengths}'
            )

    def __call__(self, images: Tensor, uniform: Tensor) -> Tensor:
        """Change the colours.

        Args:
            images (Tensor): (B, 3, H, W) float in [0, 1], RGB.
            uniform (Tensor): (B, 8) float64 in [0, 1).

        Returns:
            Tensor: (B, 3, H, W) in [0, 1].
        """
        factors, order = self.draw(uniform)
        return jitter_colours(images, factors, order)

    def draw(self, uniform: Tensor) -> tuple[Tensor, Tensor]:
        """Factors and order, distributed as ``ColorJitter.get_params``.

        Args:
            uniform (Tensor): (B, 8) float64 in [0, 1).

        Returns:
            tuple[Tensor, Tensor]: (B, 4) float64: brightness, contrast,
            saturation, hue; and (B, 4) int64: which comes first, second, ...
        """
        factors = []
        for step, strength in enumerate(self.strengths):
            middle = 0 if step == _HUE else 1
            low, high = middle - strength, middle + strength
            if step != _HUE:
                low = max(0, low)
            factors.append(low + (high - low) * uniform[:, step])
        return torch.stack(factors, dim=1), uniform[:, 4:].argsort(dim=1)


@MODELS.register_module()
class BatchRandomGrayscale:
    """``torchvision.transforms.RandomGrayscale`` for a batch.

    Args:
        p (float): Probability in [0, 1]. Defaults to 0.1.

    Raises:
        ValueError: If ``p`` is out of range.
    """

    num_draws = 1

    def __init__(self, p: float = 0.1) -> None:
        self.p = _probability(p)

    def __call__(self, images: Tensor, uniform: Tensor) -> Tensor:
        """Take the colour out of some of (B, 3, H, W), by (B, 1) draws."""
        chosen = (uniform < self.p)[..., None, None]
        return torch.where(chosen, rgb_to_grayscale(images), images)


@MODELS.register_module()
class BatchRandomHorizontalFlip:
    """``torchvision.transforms.RandomHorizontalFlip`` for a batch.

    Args:
        p (float): Probability in [0, 1]. Defaults to 0.5.

    Raises:
        ValueError: If ``p`` is out of range.
    """

    num_draws = 1

    def __init__(self, p: float = 0.5) -> None:
        self.p = _probability(p)

    def __call__(self, images: Tensor, uniform: Tensor) -> Tensor:
        """Mirror some of (B, 3, H, W), by (B, 1) draws."""
        chosen = (uniform < self.p)[..., None, None]
        return torch.where(chosen, images.flip(-1), images)


def jitter_colours(images: Tensor, factors: Tensor, order: Tensor) -> Tensor:
    """Apply brightness, contrast, saturation and hue in any order.

    The first three are one formula, ``f * image + (1 - f) * target``, towards
    black, the mean grey and the grey of each pixel (so torchvision's
    ``_blend``). Hue, the dearest, is computed once: all blends that come
    before it, hue, all that come after.

    Args:
        images (Tensor): (B, 3, H, W) float in [0, 1], RGB.
        factors (Tensor): (B, 4): brightness, contrast, saturation, hue.
        order (Tensor): (B, 4) int64, a permutation of the four in each row.

    Returns:
        Tensor: (B, 3, H, W) in [0, 1].
    """
    factors = factors.to(images.dtype)
    hue_place = (order == _HUE).long().argmax(1)  # (B,)
    places = range(order.shape[1])
    for place in places[:-1]:
        step = order[:, place]
        images = _blend(images, factors, step, place < hue_place)
    turned = adjust_hue(images, 2 * math.pi * factors[:, _HUE])
    # A turn of 0 leaves the image as it is, but for rounding.
    turns = _per_image(factors[:, _HUE] != 0)
    images = torch.where(turns, turned, images)
    for place in places[1:]:
        step = order[:, place]
        images = _blend(images, factors, step, place > hue_place)
    return images


def _blend(
    images: Tensor, factors: Tensor, step: Tensor, active: Tensor
) -> Tensor:
    """Step (B,) of each image, for those that are active (B,) bool."""
    grey = rgb_to_grayscale(images)  # (B, 1, H, W)
    target = torch.where(
        _per_image(step == _CONTRAST), grey.mean((2, 3), keepdim=True), grey
    )
    target = target * _per_image(step != _BRIGHTNESS)
    factor = factors.gather(1, step[:, None]).squeeze(1)
    factor = _per_image(torch.where(active, factor, 1))
    return (factor * images + (1 - factor) * target).clamp(0, 1)


def _per_image(values: Tensor) -> Tensor:
    """(B,) as (B, 1, 1, 1)."""
    return values[:, None, None, None]


def _probability(p: float) -> float:
    if not 0 <= p <= 1:
        raise ValueError(f'p must be a probability in [0, 1], got {p}')
    return p
