"""RoIPool on any device."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor
from torch import Tensor
from torchvision.ops import RoIPool

from mmisl.registry import MODELS


@MODELS.register_module()
class RoIPoolExtractor(SingleRoIExtractor):
    """Regions of one or several maps, pooled by their maxima.

    mmdet's extractor with torchvision's RoIPool. That of mmcv, as of 2.3.6,
    has no implementation for CPUs, and does not round the corners of a region
    to whole cells of the map as Fast R-CNN's does, section 2.1 of its paper
    and ``roi_pooling_layer.cu`` of its code.

    Args:
        output_size (int): Side of a pooled region, in cells.
        out_channels (int): Channels of the maps.
        featmap_strides (Sequence[int]): Pixels of the image to a cell, of
            each map.
        first_center (float): Pixel of the image, in x and in y, on which the
            first cell of a map is centred. RoIPool takes it to be 0; it is
            15 for conv5 of :class:`AlexNetBN`, whose pools are not padded.
            Defaults to 0.
    """

    def __init__(
        self,
        output_size: int,
        out_channels: int,
        featmap_strides: Sequence[int],
        *,
        first_center: float = 0,
    ) -> None:
        super().__init__(
            roi_layer=dict(type=RoIPool, output_size=(output_size,) * 2),
            out_channels=out_channels,
            featmap_strides=list(featmap_strides),
        )
        self.first_center = first_center

    def forward(
        self,
        feats: Sequence[Tensor],
        rois: Tensor,
        roi_scale_factor: float | None = None,
    ) -> Tensor:
        """Pool regions.

        Args:
            feats (Sequence[Tensor]): (B, C, h, w) maps.
            rois (Tensor): (K, 5) float: image of the batch, x1, y1, x2, y2.
            roi_scale_factor (float, optional): Of mmdet's extractor.

        Returns:
            Tensor: (K, C, output_size, output_size).
        """
        moved = torch.cat([rois[:, :1], rois[:, 1:] - self.first_center], 1)
        return super().forward(feats, moved, roi_scale_factor)
