"""From the backbone's last feature map to one vector an image."""

from __future__ import annotations

from collections.abc import Sequence

from mmengine.model import BaseModule
from torch import Tensor, nn

from mmisl.registry import MODELS

from ..layers import NormedLayer
from .feature_maps import last_map


@MODELS.register_module()
class PoolingNeck(BaseModule):
    """Pool the last map; behind AlexNet also fc6 and fc7.

    Behind a ResNet: average pool. Behind :class:`AlexNetBN`: pool5, fc6 and
    fc7 (each linear, BN, ReLU). ``fc6`` and ``fc7`` are submodules of their
    own so that a detector loads them as its shared head.

    Args:
        in_channels (int): Channels C of the last feature map.
        fc_channels (Sequence[int], optional): Outputs of fc6 and of fc7,
            (4096, 4096) on ImageNet and (1024, 1024) on small images. None
            for a neck without them. Defaults to None.
        map_size (int): Side of the pooled map. 1 pools globally, as the
            ResNets do; behind AlexNet 6 on ImageNet, 4 on small images.
            Defaults to 1.
        init_cfg (dict | list[dict], optional): Initialisation; None keeps
            PyTorch's, which the released code uses. Defaults to None.

    Attributes:
        num_features (int): Size of the vector that :meth:`forward` gives.

    Raises:
        ValueError: If ``fc_channels`` is given without exactly two numbers,
            or ``map_size`` is smaller than 1.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        fc_channels: Sequence[int] | None = None,
        map_size: int = 1,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        if map_size < 1:
            raise ValueError(f'map_size must be >= 1, got {map_size}')
        self.in_channels = in_channels
        pooled_channels = in_channels * map_size**2
        self.pooling: nn.Module
        self.fc6: nn.Module
        self.fc7: nn.Module
        if fc_channels is None:
            self.pooling = nn.AdaptiveAvgPool2d(map_size)
            self.fc6, self.fc7 = nn.Identity(), nn.Identity()
            self.num_features = pooled_channels
        else:
            if len(fc_channels) != 2:
                raise ValueError(
                    'fc_channels must be two numbers, the outputs of fc6 and '
                    f'of fc7, got {tuple(fc_channels)}'
                )
            # On AlexNet's own maps (13x13, 8x8) the windows are those of its
            # pool5 (3x3 with stride 2, 2x2); other image sizes work as well.
            self.pooling = nn.AdaptiveMaxPool2d(map_size)
            fc6_channels, fc7_channels = fc_channels
            self.fc6 = NormedLayer(nn.Linear, pooled_channels, fc6_channels)
            self.fc7 = NormedLayer(nn.Linear, fc6_channels, fc7_channels)
            self.num_features = fc7_channels

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
        return self.pooling(feature_map).flatten(1)

    def forward(self, feats: Tensor | Sequence[Tensor]) -> Tensor:
        """Vector of every image of a batch.

        Args:
            feats (Tensor | Sequence[Tensor]): (B, C, h, w), or several maps
                of which the last is taken.

        Returns:
            Tensor: (B, ``num_features``), not normalised.
        """
        return self.fc7(self.fc6(self.pool(feats)))
