"""The part of a pretrained network that looks at regions."""

from __future__ import annotations

from collections.abc import Sequence

# Registers ResLayerExtraNorm in mmdet: the last stage of a ResNet with a
# normalisation behind it, the shared head of MoCo's R50-C4.
import mmpretrain.models.utils.res_layer_extra_norm  # noqa: F401
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmisl.models.layers import NormedLayer
from mmisl.registry import MODELS


@MODELS.register_module()
class AlexNetFCHead(BaseModule):
    """fc6 and fc7 of AlexNet behind the pooling of regions.

    A shared head: mmdet's ``StandardRoIHead`` calls it between its RoIPool,
    which takes the place of pool5, and its box head (``roi_feat_size=1,
    with_avg_pool=False, in_channels=4096``). Layers bear the names that they
    have in :class:`ISLNeck`, :class:`PoolingNeck` and
    :class:`DeepClusterNeck`, so each takes its weights from ``neck.fc6.`` and
    ``neck.fc7.`` of a pretrained network. Source: ``fast_rcnn`` of Girshick's
    code, where Caffe's AlexNet has fc6 and fc7 there, with dropout.

    Args:
        in_channels (int): Channels C of conv5. Defaults to 256.
        roi_feat_size (int): Side R of a pooled region. Defaults to 6.
        fc_channels (Sequence[int]): Outputs of fc6 and of fc7. Defaults to
            (4096, 4096).
        norm (str): Of :class:`NormedLayer`: ``'BN'`` and ``'frozen'`` for
            networks of the necks above, ``'none'`` for that of DeepCluster
            and for one whose normalisation was folded. Defaults to
            ``'frozen'``.
        dropout (float): Share of the outputs of fc6 and of fc7 that is
            dropped while training, in [0, 1). Defaults to 0.5.
        init_cfg (dict | list[dict], optional): Initialisation. Defaults to
            normal of deviation 0.005, as of Caffe's fc6 and fc7.

    Raises:
        ValueError: If an argument is not one of those above.
    """

    def __init__(
        self,
        in_channels: int = 256,
        roi_feat_size: int = 6,
        fc_channels: Sequence[int] = (4096, 4096),
        *,
        norm: str = 'frozen',
        dropout: float = 0.5,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(
            init_cfg=init_cfg or dict(type='Normal', layer='Linear', std=0.005)
        )
        if len(fc_channels) != 2:
            raise ValueError(
                'fc_channels must be two numbers, the outputs of fc6 and of '
                f'fc7, got {tuple(fc_channels)}'
            )
        if not 0 <= dropout < 1:
            raise ValueError(f'dropout must lie in [0, 1), got {dropout}')
        self.in_channels = in_channels
        self.roi_feat_size = roi_feat_size
        fc6_channels, fc7_channels = fc_channels
        self.fc6 = NormedLayer(
            nn.Linear, in_channels * roi_feat_size**2, fc6_channels, norm=norm
        )
        self.fc7 = NormedLayer(
            nn.Linear, fc6_channels, fc7_channels, norm=norm
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, roi_feats: Tensor) -> Tensor:
        """Vector of every region.

        Args:
            roi_feats (Tensor): (K, C, R, R) float, K regions.

        Returns:
            Tensor: (K, D) float with D the outputs of fc7.

        Raises:
            ValueError: If regions are of another shape.
        """
        expected = (self.in_channels, *(self.roi_feat_size,) * 2)
        if roi_feats.shape[1:] != expected:
            raise ValueError(
                f'regions must have shape (K, {", ".join(map(str, expected))})'
                f', got {tuple(roi_feats.shape)}; set output_size of the '
                'roi_layer or in_channels and roi_feat_size of AlexNetFCHead'
            )
        hidden = self.dropout(self.fc6(roi_feats.flatten(1)))
        return self.dropout(self.fc7(hidden))
