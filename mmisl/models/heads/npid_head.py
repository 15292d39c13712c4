"""Loss of instance discrimination: softmax over the whole bank."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.model import BaseModule
from mmpretrain.structures import DataSample
from torch import Tensor

from mmisl.ops import ShardedRows, bank_softmax
from mmisl.registry import MODELS


@MODELS.register_module()
class NPIDHead(BaseModule):
    r"""Cross entropy of every sample with its own row of the bank.

    .. math::
        L_i = -\log \frac{e^{f_i \cdot v_i / \tau}}
                         {\sum_{j=1}^N e^{f_i \cdot v_j / \tau}}

    exact over all N rows (Wu et al., CVPR 2018, eq. 2), without a (B, N)
    matrix: see :func:`mmisl.ops.bank_softmax`. The authors' code does so for
    small sets (``--nce-k 0``) and samples negatives on ImageNet; for that see
    :class:`mmisl.NCEHead`.

    Args:
        temperature (float): tau > 0. Defaults to 0.07, as for ImageNet;
            small sets use 0.1.

    Raises:
        ValueError: If the temperature is not positive.
    """

    def __init__(self, temperature: float = 0.07) -> None:
        super().__init__()
        if temperature <= 0:
            raise ValueError(f'temperature must be > 0, got {temperature}')
        self.temperature = temperature

    def loss(
        self,
        feats: Tensor,
        sample_idx: Tensor,
        bank: Tensor | ShardedRows,
        data_samples: Sequence[DataSample] = (),
    ) -> dict[str, Tensor]:
        """Mean over the batch.

        Args:
            feats (Tensor): (B, D) float, norm 1, with gradient. Half
                precision is computed in float32.
            sample_idx (Tensor): (B,) int64 in [0, N).
            bank (Tensor | ShardedRows): (N, D) float, norm 1, no gradient.
                With shards all ranks call this together, also with B = 0.
            data_samples (Sequence[DataSample]): Not used: nothing is drawn.

        Returns:
            dict[str, Tensor]: Scalar ``loss_instance``, 0 for B = 0.
        """
        # Under autocast the logits over N rows would lose the digits that
        # the log-sum-exp is made of.
        with torch.autocast(feats.device.type, enabled=False):
            if feats.dtype in (torch.float16, torch.bfloat16):
                feats = feats.float()
            own = bank[sample_idx.to(feats.device, non_blocking=True)]
            own_logit = (feats * own.to(feats.dtype)).sum(1)
            lse, _ = bank_softmax(feats, bank, self.temperature)
            nll = lse - own_logit / self.temperature
            return dict(loss_instance=nll.sum() / max(len(feats), 1))
