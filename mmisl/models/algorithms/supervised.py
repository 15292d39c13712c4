"""Supervised pretraining: the row of every table that has labels."""

from __future__ import annotations

from collections.abc import Sequence

from mmpretrain.models import ImageClassifier
from mmpretrain.structures import DataSample
from torch import Tensor
from torch.nn.functional import normalize

from mmisl.registry import MODELS
from mmisl.weights import load_backbone

from ..initial_draws import initial_draws
from .base import EngineContract, host_indices, real_rows
from .labels import check_label_range, labels_of


@MODELS.register_module()
class Supervised(EngineContract, ImageClassifier):
    """mmpretrain's ``ImageClassifier``, trained and scored like the others.

    The same data sets, loop, checkpoints and kNN as the methods without
    labels. Its checkpoints are those of ``mmpretrain.ImageClassifier``, key
    by key.

    Args:
        backbone (dict): Of a backbone that returns a tuple of maps.
        neck (dict): Of a neck that gives one vector an image, such as
            mmpretrain's ``GlobalAveragePooling``.
        head (dict): Of a head with ``num_classes`` and a loss module, such as
            mmpretrain's ``LinearClsHead``.
        checkpoint (str, optional): File whose backbone :meth:`init_weights`
            takes, strictly, to finetune it. None starts from random weights.
            Defaults to None.
        **kwargs: Of ``mmpretrain.ImageClassifier``.
    """

    needs_labels = True

    def __init__(
        self,
        backbone: dict,
        neck: dict,
        head: dict,
        *,
        checkpoint: str | None = None,
        **kwargs,
    ) -> None:
        given = kwargs.get('data_preprocessor')
        if isinstance(given, dict) and kwargs.get('train_cfg') is None:
            # mmpretrain would give it an argument that only its own takes.
            given = {'type': 'mmpretrain.ClsDataPreprocessor', **given}
            kwargs['data_preprocessor'] = MODELS.build(given)
        super().__init__(backbone, neck, head, **kwargs)
        self.checkpoint = checkpoint
        self.memory = self.graph = self.clusters = None

    def init_weights(self) -> None:
        """Draw all weights, then read those of the backbone.

        They are drawn as in :meth:`BaseAlgorithm.init_weights`.

        Raises:
            ValueError: If the checkpoint does not hold this very backbone.
        """
        with initial_draws(self):
            super().init_weights()
        if self.checkpoint is not None:
            load_backbone(self.backbone, self.checkpoint)

    def check_labels(self, labels: Tensor | None) -> None:
        """See :class:`EngineContract`."""
        check_label_range(
            labels, self.head.num_classes, key='model.head.num_classes'
        )

    def forward(
        self,
        inputs: Tensor,
        data_samples: Sequence[DataSample] = (),
        mode: str = 'tensor',
    ) -> Tensor | dict[str, Tensor] | Sequence[DataSample]:
        """One entry for every purpose; see :meth:`BaseAlgorithm.forward`.

        Args:
            inputs (Tensor): (B, 3, H, W) float, normalised.
            data_samples (Sequence[DataSample]): Of the same images.
            mode (str): ``'tensor'`` gives what the neck pools, of norm 1,
                ``'backbone'`` the same before it is normalised, ``'loss'`` a
                dict of losses, ``'predict'`` the data samples with their
                ``feat`` and ``pred_score``.

        Raises:
            ValueError: If ``mode`` is unknown.
        """
        if mode == 'tensor':
            return normalize(self._pool(inputs).float())
        if mode == 'backbone':
            return self._pool(inputs)
        if mode == 'loss':
            return self.loss(inputs, data_samples)
        if mode == 'predict':
            pooled = self._pool(inputs)
            samples = self.head.predict((pooled,), list(data_samples))
            for sample, feat in zip(samples, normalize(pooled.float())):
                sample.set_field(feat, 'feat')
            return samples
        raise ValueError(
            "mode must be 'tensor', 'backbone', 'loss' or 'predict', got "
            f'{mode!r}'
        )

    def loss(
        self, inputs: Tensor, data_samples: Sequence[DataSample]
    ) -> dict[str, Tensor]:
        """Loss of the head, scaled by :meth:`rank_weight`.

        Args:
            inputs (Tensor): (B, 3, H, W) float, normalised.
            data_samples (Sequence[DataSample]): Of the same images, each with
                its ``gt_label``; padded copies (``sample_idx`` -1) take no
                part.

        Returns:
            dict[str, Tensor]: Scalar ``loss``.

        Raises:
            ValueError: If a sample has no label.
        """
        score = self.head((self._pool(inputs),))
        real = real_rows(host_indices(data_samples))
        # Asked for by all ranks, also those that have only padded copies.
        weight = self.rank_weight(len(real), score.device)
        if not real:
            return dict(loss=score.sum() * 0)
        labels = labels_of(data_samples, real)
        score = score if len(real) == len(score) else score[real]
        labels = labels.to(score.device, non_blocking=True)
        return dict(loss=self.head.loss_module(score, labels) * weight)

    def _pool(self, inputs: Tensor) -> Tensor:
        pooled = self.extract_feat(inputs)
        return pooled if isinstance(pooled, Tensor) else pooled[-1]
