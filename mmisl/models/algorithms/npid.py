"""Instance discrimination: every image is its own class."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmpretrain.structures import DataSample
from torch import Tensor

from mmisl.registry import MODELS

from .base import BaseAlgorithm, host_indices, real_rows


@MODELS.register_module()
class NPID(BaseAlgorithm):
    """Non-parametric instance discrimination, called "Instance" in tables.

    Wu et al., "Unsupervised Feature Learning via Non-Parametric Instance
    Discrimination", CVPR 2018, `arXiv:1805.01978
    <https://arxiv.org/abs/1805.01978>`_. A softmax over a memory bank tells
    every image from all others; nobody but the image itself is its positive.

    # Deviates from the paper: no proximal term. The authors' code has none
    # either; averaging in the bank stands in for it.

    Args:
        backbone (dict): See :class:`BaseAlgorithm`.
        neck (dict): See :class:`BaseAlgorithm`.
        head (dict): Of :class:`mmisl.NPIDHead` or :class:`mmisl.NCEHead`.
        memory (dict): Of :class:`mmisl.MemoryBank`; its size comes from the
            data set.
        **kwargs: Of :class:`BaseAlgorithm`.
    """

    def __init__(
        self,
        backbone: dict,
        neck: dict,
        head: dict,
        memory: dict,
        **kwargs,
    ) -> None:
        super().__init__(backbone, neck, head, **kwargs)
        self.memory = MODELS.build(memory)
        if self.memory.sharded:
            # DDP would overwrite every rank's rows with those of rank 0. The
            # name is torch's, which has no public way to say so.
            self._ddp_params_and_buffers_to_ignore = ['memory.bank']

    def loss(
        self, inputs: Tensor, data_samples: Sequence[DataSample]
    ) -> dict[str, Tensor]:
        """Losses of one batch; its features wait to be written to the bank.

        Args:
            inputs (Tensor): (B, 3, H, W) float, normalised.
            data_samples (Sequence[DataSample]): Of the same images, each with
                its ``sample_idx``; padded copies (-1) take no part.

        Returns:
            dict[str, Tensor]: As the head gives them.

        Raises:
            RuntimeError: If the bank was not sized.
        """
        if self.memory.num_samples == 0:
            raise RuntimeError(
                'the memory bank has no size yet; train with '
                "train_cfg=dict(type='mmisl.RoundBasedTrainLoop', ...), or "
                'call set_num_samples'
            )
        feats = self.extract_feat(inputs)
        indices = host_indices(data_samples)
        # Pinned, so that nobody waits until it has reached a GPU.
        sample_idx = torch.tensor(indices, pin_memory=feats.is_cuda)
        self.memory.defer_update(
            sample_idx.to(feats.device, non_blocking=True), feats
        )
        real = real_rows(indices)
        if len(real) < len(indices):
            # Possibly none: the rank still takes its part in the losses.
            feats, sample_idx = feats[real], sample_idx[real]
        losses = self._head_losses(
            feats, sample_idx, [data_samples[row] for row in real]
        )
        scale = self.rank_weight(len(real), feats.device)
        return {name: value * scale for name, value in losses.items()}

    def _head_losses(
        self,
        feats: Tensor,
        sample_idx: Tensor,
        data_samples: Sequence[DataSample],
    ) -> dict[str, Tensor]:
        """Losses of real samples, each a mean over them.

        Args:
            feats (Tensor): (B, D) float, norm 1, with gradient.
            sample_idx (Tensor): (B,) int64 in [0, N), on the host.
            data_samples (Sequence[DataSample]): Of the same images.
        """
        return self.head.loss(
            feats, sample_idx, self.memory.rows, data_samples
        )
