"""RoIPool on any device."""

from __future__ import annotations

from collections.abc import Sequence

from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor
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
    """

    def __init__(
        self,
        output_size: int,
        out_channels: int,
        featmap_strides: Sequence[int],
    ) -> None:
        super().__init__(
            roi_layer=dict(type=RoIPool, output_size=(output_size,) * 2),
            out_channels=out_channels,
            featmap_strides=list(featmap_strides),
        )
