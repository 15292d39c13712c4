"""Instance Similarity Learning: the file to read first."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.dist import all_reduce, get_world_size
from mmengine.model import BaseModel
from mmpretrain.structures import DataSample
from torch import Tensor

from mmisl.registry import MODELS
from mmisl.structures import NeighborGraph

from ..miners import MiningSummary, Views


@MODELS.register_module()
class ISL(BaseModel):
    """Instance Similarity Learning for Unsupervised Feature Representation.

    Wang et al., ICCV 2021, `arXiv:2108.02721
    <https://arxiv.org/abs/2108.02721>`_. Every image is its own class, kept
    apart from all others by a softmax over a memory bank; from round to round
    a miner finds other images that are positives of it, and they share its
    probability. With any :class:`mmisl.BaseMiner` in place of the GAN this is
    the control the paper's claim needs.

    Args:
        backbone (dict): Of a backbone that returns a tuple of maps.
        neck (dict): Of a neck that returns features of norm 1, (B, D).
        head (dict): Of :class:`mmisl.ISLHead`.
        memory (dict): Of :class:`mmisl.MemoryBank`; its size comes from the
            data set.
        miner (dict): Of a miner.
        data_preprocessor (dict, optional): Normalises and stacks images.
        channels_last (bool): Lay out the encoder and its input as NHWC, which
            is faster under mixed precision. Defaults to False.
        compile_encoder (bool): Compile backbone and neck with
            ``torch.compile``; the state dict keeps its keys.
            Defaults to False.
        init_cfg (dict, optional): Initialisation.
    """

    def __init__(
        self,
        backbone: dict,
        neck: dict,
        head: dict,
        memory: dict,
        miner: dict,
        *,
        data_preprocessor: dict | None = None,
        channels_last: bool = False,
        compile_encoder: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(
            data_preprocessor=data_preprocessor, init_cfg=init_cfg
        )
        self.backbone = MODELS.build(backbone)
        self.neck = MODELS.build(neck)
        self.head = MODELS.build(head)
        self.memory = MODELS.build(memory)
        self.miner = MODELS.build(miner)
        feat_dim = self.memory.bank.shape[1]
        if self.miner.feat_dim not in (None, feat_dim):
            raise ValueError(
                f'model.miner.feat_dim ({self.miner.feat_dim}) must equal '
                f'model.memory.feat_dim ({feat_dim})'
            )
        self.graph = NeighborGraph(self.memory.num_samples)
        if self.memory.sharded:
            # DDP would overwrite every rank's rows with those of rank 0. The
            # name is torch's, which has no public way to say so.
            self._ddp_params_and_buffers_to_ignore = ['memory.bank']
        self.channels_last = channels_last
        if channels_last:
            self.backbone.to(memory_format=torch.channels_last)
        if compile_encoder:
            self.backbone.compile()
            self.neck.compile()

    def init_weights(self) -> None:
        """Initialise alike in both memory layouts.

        Random numbers are filled in in the order of the memory.
        """
        self.backbone.to(memory_format=torch.contiguous_format)
        super().init_weights()
        if self.channels_last:
            self.backbone.to(memory_format=torch.channels_last)

    def set_num_samples(self, num_samples: int) -> None:
        """Size the bank and the graph for a training set of N samples.

        Raises:
            ValueError: If either already has another size.
        """
        self.memory.set_num_samples(num_samples)
        self.graph.set_num_samples(num_samples)

    def extract_feat(self, inputs: Tensor) -> Tensor:
        """Features of norm 1.

        Args:
            inputs (Tensor): (B, 3, H, W) float, normalised.

        Returns:
            Tensor: (B, D) float32.
        """
        return self.neck(self._encode(inputs))

    def forward(
        self,
        inputs: Tensor,
        data_samples: Sequence[DataSample] = (),
        mode: str = 'tensor',
    ) -> Tensor | dict[str, Tensor] | Sequence[DataSample]:
        """One entry for every purpose.

        Args:
            inputs (Tensor): (B, 3, H, W) float, normalised.
            data_samples (Sequence[DataSample]): Of the same images; needed
                by ``'loss'`` and ``'predict'``.
            mode (str): ``'tensor'`` gives features (B, D) of norm 1,
                ``'backbone'`` what the neck pools of the backbone (B, C),
                ``'loss'`` a dict of losses, ``'predict'`` the data samples
                with their ``feat``.

        Raises:
            ValueError: If ``mode`` is unknown.
        """
        if mode == 'tensor':
            return self.extract_feat(inputs)
        if mode == 'backbone':
            return self.neck.pool(self._encode(inputs))
        if mode == 'loss':
            return self.loss(inputs, data_samples)
        if mode == 'predict':
            for sample, feat in zip(data_samples, self.extract_feat(inputs)):
                sample.set_field(feat, 'feat')
            return data_samples
        raise ValueError(
            "mode must be 'tensor', 'backbone', 'loss' or 'predict', got "
            f'{mode!r}'
        )

    def loss(
        self, inputs: Tensor, data_samples: Sequence[DataSample]
    ) -> dict[str, Tensor]:
        """Losses of one batch; its features wait to be written to the bank.

        Padded copies (``sample_idx`` -1) take no part. The losses are scaled
        so that their mean over the ranks, which DDP forms, is the mean over
        the global batch even when ranks hold unequal numbers of real samples.

        Args:
            inputs (Tensor): (B, 3, H, W) float, normalised.
            data_samples (Sequence[DataSample]): Of the same images, each with
                its ``sample_idx``.

        Returns:
            dict[str, Tensor]: See :meth:`mmisl.ISLHead.loss`.

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
        indices = [sample.sample_idx for sample in data_samples]
        # Pinned, so that nobody waits until it has reached a GPU.
        sample_idx = torch.tensor(indices, pin_memory=feats.is_cuda)
        self.memory.defer_update(
            sample_idx.to(feats.device, non_blocking=True), feats
        )
        real = [row for row, idx in enumerate(indices) if idx >= 0]
        num_real = len(real)
        if num_real < len(indices):
            # Possibly none: the rank still takes its part in the losses.
            feats, sample_idx = feats[real], sample_idx[real]
        losses = self.head.loss(
            feats, sample_idx, self.graph, self.memory.rows
        )
        scale = self._rank_weight(num_real, feats.device)
        return {name: value * scale for name, value in losses.items()}

    def mine(self, views: Views, quota: float, seed: int) -> MiningSummary:
        """Mine new edges from the features of the frozen encoder.

        Args:
            views (Views): V of (N, D) float, norm 1, on the bank's device,
                sharded where the bank is.
            quota (float): Mean neighbours per sample to reach.
            seed (int): Of everything random in this stage.

        Returns:
            MiningSummary: What was proposed and inserted.
        """
        return self.miner.mine(
            views, self.memory.rows, self.graph, quota, seed=seed
        )

    def _encode(self, inputs: Tensor) -> tuple[Tensor, ...]:
        if self.channels_last:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        return self.backbone(inputs)

    def _rank_weight(self, num_real: int, device: torch.device) -> Tensor:
        """This rank's share of the global batch, times the ranks."""
        total = torch.full((), float(num_real), device=device)
        all_reduce(total)
        return num_real * get_world_size() / total
