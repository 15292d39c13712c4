"""The projection of MoCo v2: two layers on top of the pooled features."""

from __future__ import annotations

from collections.abc import Sequence

from mmpretrain.models import MoCoV2Neck
from torch import Tensor, nn

from mmisl.registry import MODELS

from .feature_maps import last_map, unit_length


@MODELS.register_module()
class MLPNeck(MoCoV2Neck):
    """Pool, two linear layers with a ReLU between them, unit length.

    Chen et al., "Improved Baselines with Momentum Contrastive Learning",
    2020. It is mmpretrain's ``MoCoV2Neck``, with the same state dict, except
    that it normalises, and can leave the map some of its size. The neck of
    MoCo v1, one linear layer, is :class:`mmisl.ISLNeck`.

    Args:
        in_channels (int): Channels C of the last feature map.
        hid_channels (int): Outputs of the first layer.
        out_channels (int): Size D of the embedding. Defaults to 128.
        map_size (int): Side of the pooled map; 1 pools globally.
            Defaults to 1.
        init_cfg (dict | list[dict], optional): Initialisation; None keeps
            PyTorch's, which MoCo uses. Defaults to None.

    Raises:
        ValueError: If ``map_size`` is smaller than 1.
    """

    def __init__(
        self,
        in_channels: int,
        hid_channels: int,
        out_channels: int = 128,
        *,
        map_size: int = 1,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        if map_size < 1:
            raise ValueError(f'map_size must be >= 1, got {map_size}')
        super().__init__(
            in_channels * map_size**2,
            hid_channels,
            out_channels,
            init_cfg=init_cfg,
        )
        self.in_channels = in_channels
        self.avgpool = nn.AdaptiveAvgPool2d(map_size)

    def pool(self, feats: Tensor | Sequence[Tensor]) -> Tensor:
        """Pool the last feature map: the backbone's features as a vector.

        Args:
            feats (Tensor | Sequence[Tensor]): (B, C, h, w), or several maps
                of which the last is taken.

        Returns:
            Tensor: (B, C * map_size ** 2), not normalised.

        Raises:
            ValueError: If the map does not have ``in_channels`` channels.
        """
        feature_map = last_map(feats, self.in_channels)
        return self.avgpool(feature_map).flatten(1)

    def forward(self, feats: Tensor | Sequence[Tensor]) -> Tensor:
        """Embed a batch.

        Args:
            feats (Tensor | Sequence[Tensor]): (B, C, h, w), or several maps
                of which the last is taken.

        Returns:
            Tensor: (B, D) float32, norm 1; also under autocast. float64
            stays.
        """
        raw_feats = self.mlp(self.pool(feats))
        return unit_length(raw_feats)
