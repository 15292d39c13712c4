"""Classifier of pseudo-labels, drawn anew with every clustering."""

from __future__ import annotations

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from mmisl.registry import MODELS


@MODELS.register_module()
class DeepClusterHead(BaseModule):
    """Cross entropy of a linear classifier over k clusters.

    mmpretrain's ``LinearClsHead`` takes its targets from the data samples;
    pseudo-labels belong to the model, and the classifier has to be redrawn.

    Args:
        num_clusters (int): k.
        in_channels (int): Size D of the features.
        init_cfg (dict | list[dict], optional): Initialisation before the
            first clustering, which draws anew. Defaults to None.
    """

    def __init__(
        self,
        num_clusters: int,
        in_channels: int,
        *,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        self.num_clusters = num_clusters
        self.classifier = nn.Linear(in_channels, num_clusters)

    @torch.no_grad()
    def redraw(self, seed: int) -> None:
        """Forget the clusters: weights normal of deviation 0.01, bias 0.

        On the host, so that ranks and kinds of device agree. Source:
        DeepCluster's code, ``main.py``.

        Args:
            seed (int): Alike on all ranks.
        """
        generator = torch.Generator()
        generator.manual_seed(seed)
        weight = self.classifier.weight
        weight.copy_(0.01 * torch.randn(weight.shape, generator=generator))
        self.classifier.bias.zero_()

    def loss(self, hidden: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Mean over the batch.

        Args:
            hidden (Tensor): (B, D) float, with gradient.
            labels (Tensor): (B,) int64 in [0, k), clusters.

        Returns:
            dict[str, Tensor]: Scalar ``loss_cluster``, 0 for B = 0.
        """
        total = cross_entropy(self.classifier(hidden), labels, reduction='sum')
        return dict(loss_cluster=total / max(len(hidden), 1))
