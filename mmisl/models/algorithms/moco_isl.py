"""MoCo v2 with the positives that ISL mines."""

from __future__ import annotations

from collections.abc import Sequence

from mmpretrain.structures import DataSample
from torch import Tensor

from mmisl.registry import MODELS

from ..data_preprocessors.augmenting_preprocessor import draw_keys
from .mined_positives import MinedPositives
from .moco import MoCo


@MODELS.register_module()
class MoCoISL(MinedPositives, MoCo):
    """MoCo whose queries also have mined neighbours as positives.

    The supplement of ISL (ICCV 2021) reports results of "MoCo-v2 + ISL"; how
    the two are combined was never published, neither in text nor in code. So
    this is a PROPOSAL: MoCo's queue, key encoder and schedule stay as they
    are, and ISL's rounds, bank, miner and sum over positives are added.

    - A bank has a row for every image: its latest key. A miner of
      :class:`mmisl.BaseMiner` works on it once a round, with views that the
      key encoder has encoded: the first of the two that the pipeline makes.
    - The loss is :class:`mmisl.MoCoISLHead`'s. While nothing is mined it is
      that of :class:`MoCo`, so round 0 is MoCo.

    Args:
        backbone (dict): See :class:`BaseAlgorithm`.
        neck (dict): See :class:`BaseAlgorithm`.
        head (dict): Of :class:`mmisl.MoCoISLHead`.
        queue (dict): Of :class:`mmisl.KeyQueue`.
        memory (dict): Of :class:`mmisl.MemoryBank`, usually with
            ``momentum=1.0``: the key encoder averages already.
        miner (dict): Of a miner.
        **kwargs: Of :class:`MoCo`.

    Raises:
        ValueError: If queue or miner disagree with the memory on the size of
            a feature.
    """

    mining_mode = 'key'

    def __init__(
        self,
        backbone: dict,
        neck: dict,
        head: dict,
        queue: dict,
        memory: dict,
        miner: dict,
        **kwargs,
    ) -> None:
        super().__init__(backbone, neck, head, queue, **kwargs)
        self.memory = MODELS.build(memory)
        if self.queue.feat_dim != self.memory.feat_dim:
            raise ValueError(
                f'model.queue.feat_dim ({self.queue.feat_dim}) must equal '
                f'model.memory.feat_dim ({self.memory.feat_dim})'
            )
        self._add_miner(miner)
        if self.memory.sharded:
            # DDP would overwrite every rank's rows with those of rank 0. The
            # name is torch's, which has no public way to say so.
            self._ddp_params_and_buffers_to_ignore = ['memory.bank']

    def _head_losses(
        self,
        query: Tensor,
        key: Tensor,
        sample_idx: Tensor,
        data_samples: Sequence[DataSample],
    ) -> dict[str, Tensor]:
        """See :meth:`mmisl.MoCoISLHead.loss`."""
        if self.memory.num_samples == 0:
            raise RuntimeError(
                'the memory bank has no size yet; train with '
                "train_cfg=dict(type='mmisl.RoundBasedTrainLoop', ...), or "
                'call set_num_samples'
            )
        keys = draw_keys(data_samples)
        return self.head.loss(
            query,
            key,
            sample_idx,
            keys.pin_memory() if query.is_cuda else keys,
            queue=self.queue,
            graph=self.graph,
            bank=self.memory.rows,
        )

    def _store(self, key: Tensor, sample_idx: Tensor) -> None:
        """Into the queue at once, into the bank after the step."""
        super()._store(key, sample_idx)
        self.memory.defer_update(sample_idx, key)
