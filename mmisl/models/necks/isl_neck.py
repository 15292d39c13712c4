"""From the backbone's last feature map to a unit-length embedding."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from mmisl.registry import MODELS

from .feature_maps import unit_length
from .pooling_neck import PoolingNeck


@MODELS.register_module()
class ISLNeck(PoolingNeck):
    """Pool, project linearly, and normalise to unit length.

    Behind a ResNet: average pool, linear layer, L2. Behind
    :class:`AlexNetBN`: pool5, fc6 and fc7, linear layer, L2.

    Source: official code, where these are the last layers of each network.

    Args:
        in_channels (int): Channels C of the last feature map.
        out_channels (int): Size D of the embedding. Defaults to 128.
        **kwargs: Of :class:`PoolingNeck`.
    """

    def __init__(
        self, in_channels: int, out_channels: int = 128, **kwargs
    ) -> None:
        super().__init__(in_channels, **kwargs)
        self.projection = nn.Linear(self.num_features, out_channels)

    def forward(self, feats: Tensor | Sequence[Tensor]) -> Tensor:
        """Embed a batch.

        Args:
            feats (Tensor | Sequence[Tensor]): (B, C, h, w), or several maps
                of which the last is taken.

        Returns:
            Tensor: (B, D) float32, norm 1; also under autocast, where half
            precision would leave the norm off by 1e-3. float64 stays.
        """
        raw_feats = self.projection(super().forward(feats))  # (B, D)
        return unit_length(raw_feats)
