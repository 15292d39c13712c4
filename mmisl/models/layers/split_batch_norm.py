"""Batch normalisation of one device, as if it were several."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmisl.registry import MODELS


@MODELS.register_module('SplitBN')
class SplitBatchNorm2d(nn.BatchNorm2d):
    """BN over each of several parts of the batch on its own.

    Part s holds the rows s, s + S, ...: what rank s of S ranks would have.
    MoCo needs it on a single device, where there are no ranks to shuffle
    keys between. Running statistics are the mean of those that the parts
    would have kept, and the state dict is that of ``nn.BatchNorm2d``. Source:
    ``SplitBatchNorm`` in ``moco_cifar10_demo.ipynb`` of MoCo's authors.

    # Deviates from that notebook, which needs batches that S divides: here
    # the parts of others differ by one row, and a batch of fewer than S rows
    # has one part for each row.

    As in ``nn.BatchNorm2d``, training needs more than one value of a channel
    in each part: on maps of 1 x 1 pixel, batches of at least 2 S rows.

    Use it in a backbone with ``norm_cfg=dict(type='mmisl.SplitBN',
    num_splits=8)``.

    Args:
        num_features (int): C.
        eps (float): Added to the variance. Defaults to 1e-5.
        momentum (float): Weight of the new in running statistics.
            Defaults to 0.1.
        num_splits (int): S. Defaults to 8.

    Raises:
        ValueError: If ``num_splits`` is smaller than 1.
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor
    momentum: float

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        *,
        num_splits: int = 8,
    ) -> None:
        super().__init__(num_features, eps, momentum)
        if num_splits < 1:
            raise ValueError(f'num_splits must be >= 1, got {num_splits}')
        self.num_splits = num_splits

    def forward(self, input: Tensor) -> Tensor:
        """Normalise (B, C, H, W); in eval mode by running statistics.

        Raises:
            ValueError: If, in training, a part has one value of a channel.
        """
        num_splits = min(self.num_splits, len(input))
        if not self.training or num_splits == 1:
            return super().forward(input)
        if len(input) // num_splits * input[0, 0].numel() == 1:
            raise ValueError(
                f'a batch of {len(input)} rows of 1 x 1 pixel has parts of '
                f'one row with num_splits={self.num_splits}, and no variance '
                f'in them; use batches of at least {2 * self.num_splits} '
                'rows, or larger images'
            )
        self.num_batches_tracked.add_(1)
        mean = self.running_mean.repeat(num_splits)
        var = self.running_var.repeat(num_splits)
        if len(input) % num_splits == 0:
            # The parts side by side, as S * C channels.
            channels = num_splits * self.num_features
            parts = input.reshape(-1, channels, *input.shape[2:])
            output = self._normalize(parts, mean, var, num_splits)
            output = output.view(input.shape)
        else:
            output = torch.empty_like(input)
            stats = zip(mean.chunk(num_splits), var.chunk(num_splits))
            for split, (own_mean, own_var) in enumerate(stats):
                rows = slice(split, None, num_splits)
                output[rows] = self._normalize(input[rows], own_mean, own_var)
        self.running_mean.copy_(mean.view(num_splits, -1).mean(0))
        self.running_var.copy_(var.view(num_splits, -1).mean(0))
        return output

    def _normalize(
        self, input: Tensor, mean: Tensor, var: Tensor, num_parts: int = 1
    ) -> Tensor:
        """Normalise by the batch; statistics are updated in place."""
        return F.batch_norm(
            input,
            mean,
            var,
            self.weight.repeat(num_parts),
            self.bias.repeat(num_parts),
            training=True,
            momentum=self.momentum,
            eps=self.eps,
        )
