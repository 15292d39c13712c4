"""From the backbone's last feature map to what DeepCluster clusters."""

from __future__ import annotations

from collections.abc import Sequence

from mmengine.model import BaseModule
from torch import Tensor, nn

from mmisl.registry import MODELS

from .feature_maps import last_map, unit_length


@MODELS.register_module()
class DeepClusterNeck(BaseModule):
    """Pool; behind AlexNet also fc6 and fc7, without a projection.

    The classifier of the pseudo-labels sees what comes out of the last ReLU
    (:meth:`hidden`), k-means what goes into it (:meth:`raw`): behind
    :class:`AlexNetBN` the two sides of fc7's ReLU. A ResNet ends with a ReLU
    before its pooling, and both are the pooled map.

    ``fc6`` and ``fc7`` bear the names that they have in :class:`ISLNeck`, but
    hold a linear layer with bias and ReLU, without normalisation. Source:
    DeepCluster's code, ``models/alexnet.py``.

    Args:
        in_channels (int): Channels C of the last feature map.
        fc_channels (Sequence[int], optional): Outputs of fc6 and of fc7,
            (4096, 4096) on ImageNet. None for a neck without them. Defaults
            to None.
        map_size (int): Side of the pooled map. 1 pools globally, as the
            ResNets do; behind AlexNet 6 on ImageNet, 4 on small images.
            Defaults to 1.
        dropout (float): Share of the inputs of fc6 and of fc7 that is
            dropped while training, in [0, 1). Defaults to 0.5.
        init_cfg (dict | list[dict], optional): Initialisation. Defaults to
            that of the code: normal of deviation 0.01, bias 0.

    Raises:
        ValueError: If ``fc_channels`` is given without exactly two numbers,
            or ``map_size`` or ``dropout`` is out of range.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        fc_channels: Sequence[int] | None = None,
        map_size: int = 1,
        dropout: float = 0.5,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(
            init_cfg=init_cfg or dict(type='Normal', layer='Linear', std=0.01)
        )
        if map_size < 1:
            raise ValueError(f'map_size must be >= 1, got {map_size}')
        if not 0 <= dropout < 1:
            raise ValueError(f'dropout must lie in [0, 1), got {dropout}')
        self.in_channels = in_channels
        self.has_fc = fc_channels is not None
        self.pooling: nn.Module
        if fc_channels is None:
            self.pooling = nn.AdaptiveAvgPool2d(map_size)
            return
        if len(fc_channels) != 2:
            raise ValueError(
                'fc_channels must be two numbers, the outputs of fc6 and of '
                f'fc7, got {tuple(fc_channels)}'
            )
        # On a 13x13 map with map_size 6 that is AlexNet's pool5.
        self.pooling = nn.AdaptiveMaxPool2d(map_size)
        self.dropout = nn.Dropout(dropout)
        fc6_channels, fc7_channels = fc_channels
        self.fc6 = nn.Sequential(
            nn.Linear(in_channels * map_size**2, fc6_channels), nn.ReLU()
        )
        self.fc7 = nn.Sequential(
            nn.Linear(fc6_channels, fc7_channels), nn.ReLU()
        )

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

    def raw(self, feats: Tensor | Sequence[Tensor]) -> Tensor:
        """Features before the last ReLU, (B, D): what is clustered."""
        pooled = self.pool(feats)
        if not self.has_fc:
            return pooled
        linear = self.fc7[0]
        return linear(self.dropout(self.fc6(self.dropout(pooled))))

    def hidden(self, feats: Tensor | Sequence[Tensor]) -> Tensor:
        """Features after the last ReLU, (B, D): what is classified."""
        raw_feats = self.raw(feats)
        return self.fc7[1](raw_feats) if self.has_fc else raw_feats

    def forward(self, feats: Tensor | Sequence[Tensor]) -> Tensor:
        """:meth:`hidden` at unit length, which neighbours are compared by.

        Args:
            feats (Tensor | Sequence[Tensor]): (B, C, h, w), or several maps
                of which the last is taken.

        Returns:
            Tensor: (B, D) float32, norm 1; also under autocast, where half
            precision would leave the norm off by 1e-3. float64 stays.
        """
        hidden = self.hidden(feats)
        return unit_length(hidden)
