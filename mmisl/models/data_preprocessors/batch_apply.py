"""A step of augmentation that some images of a batch are spared."""

from __future__ import annotations

import torch
from torch import Tensor

from mmisl.registry import MODELS


@MODELS.register_module()
class BatchRandomApply:
    """``torchvision.transforms.RandomApply`` for a batch, of one step.

    Args:
        step (dict): Of the step, such as ``dict(type='BatchColorJitter',
            hue=0.1)``; it must not change the size of the images.
        p (float): Probability that an image goes through it, in [0, 1].

    Attributes:
        num_draws: Random numbers per image: those of the step and one more.

    Raises:
        ValueError: If ``p`` is out of range.
    """

    def __init__(self, step: dict, p: float) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f'p must lie in [0, 1], got {p}')
        self.step = MODELS.build(step)
        self.p = p
        self.num_draws = 1 + self.step.num_draws

    def __call__(self, images: Tensor, uniform: Tensor) -> Tensor:
        """Apply the step to the images that are drawn.

        Args:
            images (Tensor): (B, 3, H, W) float in [0, 1], RGB.
            uniform (Tensor): (B, ``num_draws``) float64 in [0, 1).

        Returns:
            Tensor: (B, 3, H, W) in [0, 1].
        """
        applies = uniform[:, 0] < self.p
        changed = self.step(images, uniform[:, 1:])
        return torch.where(applies.view(-1, 1, 1, 1), changed, images)
