"""Edges in place of colours."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

_HORIZONTAL = ((1.0, 0.0, -1.0), (2.0, 0.0, -2.0), (1.0, 0.0, -1.0))


class SobelFilter(nn.Module):
    """Grey image, then its horizontal and vertical Sobel derivatives.

    Colour is an easy cue to cluster by; without it a network has to look at
    shapes. Fixed, and no part of the state dict. Zeros surround the image.
    Source: DeepCluster's code, ``models/alexnet.py``, ``sobel``.

    Attributes:
        out_channels: 2, the derivative along x and along y. Both are the
            value before minus the value behind, so a rise is negative along
            either axis.
    """

    out_channels = 2
    kernels: Tensor

    def __init__(self) -> None:
        super().__init__()
        horizontal = torch.tensor(_HORIZONTAL)
        kernels = torch.stack([horizontal, horizontal.T]).unsqueeze(1)
        self.register_buffer('kernels', kernels, persistent=False)

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, C, H, W) float to (B, 2, H, W)."""
        grey = inputs.mean(1, keepdim=True)
        return conv2d(grey, self.kernels.to(grey), padding=1)
