"""Momentum contrast: the positive of an image is its other view."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import torch
from mmengine.dist import get_world_size
from mmengine.logging import print_log
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from mmisl.registry import MODELS

from ..layers import SplitBatchNorm2d
from ..rank_batches import shuffle_batch, unshuffle_batch
from .base import BaseAlgorithm, host_indices, real_rows
from .key_encoder import KeyEncoder


@MODELS.register_module()
class MoCo(BaseAlgorithm):
    """Momentum Contrast, versions 1 and 2.

    He et al., "Momentum Contrast for Unsupervised Visual Representation
    Learning", CVPR 2020, `arXiv:1911.05722
    <https://arxiv.org/abs/1911.05722>`_; Chen et al., "Improved Baselines
    with Momentum Contrastive Learning", `arXiv:2003.04297
    <https://arxiv.org/abs/2003.04297>`_; the authors' code,
    ``moco/builder.py``. A query is told apart from the latest K keys, which
    a slowly moving copy of the encoder gives; the key of the same image is
    its positive. The versions differ in neck (:class:`mmisl.ISLNeck`, one
    linear layer; :class:`mmisl.MLPNeck`), temperature and augmentation.

    The data pipeline ends with two views of each image
    (``mmpretrain.MultiView``). Keys are encoded in another order than
    queries, so that no statistics of a batch tell which belong together; on
    one device that takes ``norm_cfg=dict(type='mmisl.SplitBN')``, without
    which there is nothing to shuffle between. With gradient accumulation the
    key encoder takes a step with every micro-batch.

    # Deviates from the authors' code, which drops the last batch of an epoch:
    # here it counts.

    Args:
        backbone (dict): See :class:`BaseAlgorithm`.
        neck (dict): See :class:`BaseAlgorithm`.
        head (dict): Of ``mmpretrain.ContrastiveHead``.
        queue (dict): Of :class:`mmisl.KeyQueue`.
        momentum (float): Weight of the query encoder in a step of the key
            encoder; the paper names the other weight, 0.999.
            Defaults to 0.001.
        compile_encoder (bool): See :class:`BaseAlgorithm`; compiles the key
            encoder as well. Defaults to False.
        **kwargs: Of :class:`BaseAlgorithm`.
    """

    def __init__(
        self,
        backbone: dict,
        neck: dict,
        head: dict,
        queue: dict,
        *,
        momentum: float = 0.001,
        compile_encoder: bool = False,
        **kwargs,
    ) -> None:
        super().__init__(
            backbone, neck, head, compile_encoder=compile_encoder, **kwargs
        )
        self.queue = MODELS.build(queue)
        self.encoder_k = KeyEncoder(self._query_encoder(), momentum)
        if compile_encoder:
            self.encoder_k.compile()
        self._has_splits = any(
            isinstance(module, SplitBatchNorm2d) for module in self.modules()
        )

    def set_num_samples(self, num_samples: int) -> None:
        """See :class:`BaseAlgorithm`; warns of a queue that is too long."""
        super().set_num_samples(num_samples)
        if self.queue.size >= num_samples:
            print_log(
                f'model.queue.size ({self.queue.size}) is not smaller than '
                f'the training set ({num_samples} images), so every image '
                'has its own earlier keys among its negatives; a queue of a '
                'tenth of the images is usual',
                logger='current',
                level=logging.WARNING,
            )

    def forward(
        self,
        inputs: Tensor | Sequence[Tensor],
        data_samples: Sequence[DataSample] = (),
        mode: str = 'tensor',
    ) -> Tensor | dict[str, Tensor] | Sequence[DataSample]:
        """One entry for every purpose.

        Args:
            inputs (Tensor | Sequence[Tensor]): (B, 3, H, W) float,
                normalised; or several views of the same images, of which all
                modes but ``'loss'`` take the first.
            data_samples (Sequence[DataSample]): Of the same images.
            mode (str): One of :class:`BaseAlgorithm`, whose features are
                those of the query encoder; or ``'key'``, which gives
                features (B, D) of norm 1 of the key encoder.
        """
        if mode == 'loss':
            return self.loss(inputs, data_samples)
        view = inputs if isinstance(inputs, Tensor) else inputs[0]
        if mode == 'key':
            self.encoder_k.begin(self._query_encoder())
            return self._encode_keys(view)
        return super().forward(view, data_samples, mode)

    def loss(
        self,
        inputs: Tensor | Sequence[Tensor],
        data_samples: Sequence[DataSample],
    ) -> dict[str, Tensor]:
        """Losses of one batch; its keys enter the queue.

        Args:
            inputs (Sequence[Tensor]): Two views, (B, 3, H, W) float each,
                normalised.
            data_samples (Sequence[DataSample]): Of the same images, each with
                its ``sample_idx``; padded copies (-1) take no part.

        Returns:
            dict[str, Tensor]: Scalars, to be minimised.

        Raises:
            TypeError: If there are not two views.
        """
        if isinstance(inputs, Tensor) or len(inputs) != 2:
            got = 'one' if isinstance(inputs, Tensor) else len(inputs)
            raise TypeError(
                f'MoCo needs two views of every image, got {got}; end the '
                "training pipeline with dict(type='mmpretrain.MultiView', "
                'num_views=2, transforms=[...]) and PackInputs, and take '
                "data_preprocessor.type='mmpretrain.SelfSupDataPreprocessor'"
            )
        query = self.extract_feat(inputs[0])
        with torch.no_grad():
            self.encoder_k.update_parameters(self._query_encoder())
            key = self._encode_shuffled(inputs[1])
        indices = host_indices(data_samples)
        # Pinned, so that nobody waits until it has reached a GPU.
        sample_idx = torch.tensor(indices, pin_memory=query.is_cuda)
        real = real_rows(indices)
        own = (query, key, sample_idx)
        if len(real) < len(indices):
            # Possibly none: the rank still takes its part in the losses.
            own = (query[real], key[real], sample_idx[real])
        # Under autocast the logits would lose the digits that the
        # log-sum-exp is made of.
        with torch.autocast(query.device.type, enabled=False):
            losses = self._head_losses(
                *own, [data_samples[row] for row in real]
            )
        self._store(key, sample_idx.to(key.device, non_blocking=True))
        scale = self.rank_weight(len(real), query.device)
        return {name: value * scale for name, value in losses.items()}

    def _head_losses(
        self,
        query: Tensor,
        key: Tensor,
        sample_idx: Tensor,
        data_samples: Sequence[DataSample],
    ) -> dict[str, Tensor]:
        """Losses of real samples, each a mean over them.

        Args:
            query (Tensor): (B, D) float, norm 1, with gradient.
            key (Tensor): (B, D) float, norm 1.
            sample_idx (Tensor): (B,) int64 in [0, N), on the host.
            data_samples (Sequence[DataSample]): Of the same images.
        """
        if not len(query):  # the head's mean would be 0 / 0
            return dict(loss_contrastive=query.sum())
        # The queue is written before the backward pass.
        negatives = query @ self.queue.keys.clone().T
        positives = (query * key).sum(1, keepdim=True)
        return dict(loss_contrastive=self.head.loss(positives, negatives))

    def _store(self, key: Tensor, sample_idx: Tensor) -> None:
        """Keep (B, D) keys; ``sample_idx`` (B,), -1 for padded copies."""
        self.queue.enqueue(key, sample_idx)

    def _query_encoder(self) -> nn.Module:
        return nn.Sequential(self.backbone, self.neck)

    def _encode_keys(self, inputs: Tensor) -> Tensor:
        if self.channels_last:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        return self.encoder_k(inputs)

    def _encode_shuffled(self, inputs: Tensor) -> Tensor:
        if not (self._has_splits or get_world_size() > 1):
            return self._encode_keys(inputs)
        # The steps differ from batch to batch, and are the same on all ranks.
        shuffled, order = shuffle_batch(inputs, self.encoder_k.num_steps)
        return unshuffle_batch(self._encode_keys(shuffled), order)
