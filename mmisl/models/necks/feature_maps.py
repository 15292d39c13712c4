"""What all necks do first and last."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import normalize


def last_map(feats: Tensor | Sequence[Tensor], in_channels: int) -> Tensor:
    """The last feature map of a backbone, if it is as the neck expects.

    Args:
        feats (Tensor | Sequence[Tensor]): (B, C, h, w), or several maps.
        in_channels (int): C that the neck is made for.

    Returns:
        Tensor: (B, C, h, w).

    Raises:
        ValueError: If the map does not have ``in_channels`` channels.
    """
    feature_map = feats if isinstance(feats, Tensor) else feats[-1]
    if feature_map.dim() != 4 or feature_map.size(1) != in_channels:
        raise ValueError(
            'the last feature map must have shape '
            f'(B, in_channels = {in_channels}, h, w), got '
            f"{tuple(feature_map.shape)}; set the neck's in_channels to "
            'what the backbone gives'
        )
    return feature_map


def unit_length(raw_feats: Tensor) -> Tensor:
    """Features at norm 1.

    Args:
        raw_feats (Tensor): (B, D) float.

    Returns:
        Tensor: (B, D) float32, norm 1; also under autocast, where half
        precision would leave the norm off by 1e-3. float64 stays.
    """
    full = torch.promote_types(raw_feats.dtype, torch.float32)
    # eps bounds the gradient of a vector that is nearly zero.
    return normalize(raw_feats.to(full), dim=1, eps=1e-6)
