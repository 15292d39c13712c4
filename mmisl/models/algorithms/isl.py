"""Instance Similarity Learning: the file to read first."""

from __future__ import annotations

from collections.abc import Sequence

from mmpretrain.structures import DataSample
from torch import Tensor

from mmisl.registry import MODELS

from .mined_positives import MinedPositives
from .npid import NPID


@MODELS.register_module()
class ISL(MinedPositives, NPID):
    """Instance Similarity Learning for Unsupervised Feature Representation.

    Wang et al., ICCV 2021, `arXiv:2108.02721
    <https://arxiv.org/abs/2108.02721>`_. Every image is its own class, kept
    apart from all others by a softmax over a memory bank (so far
    :class:`NPID`); from round to round a miner finds other images that are
    positives of it, and they share its probability. With any
    :class:`mmisl.BaseMiner` in place of the GAN this is the control the
    paper's claim needs.

    Args:
        backbone (dict): See :class:`BaseAlgorithm`.
        neck (dict): See :class:`BaseAlgorithm`.
        head (dict): Of :class:`mmisl.ISLHead`.
        memory (dict): Of :class:`mmisl.MemoryBank`; its size comes from the
            data set.
        miner (dict): Of a miner.
        **kwargs: Of :class:`BaseAlgorithm`.

    Raises:
        ValueError: If miner and memory disagree on the size of a feature.
    """

    def __init__(
        self,
        backbone: dict,
        neck: dict,
        head: dict,
        memory: dict,
        miner: dict,
        **kwargs,
    ) -> None:
        super().__init__(backbone, neck, head, memory, **kwargs)
        self._add_miner(miner)

    def _head_losses(
        self,
        feats: Tensor,
        sample_idx: Tensor,
        data_samples: Sequence[DataSample],
    ) -> dict[str, Tensor]:
        """See :meth:`mmisl.ISLHead.loss`."""
        return self.head.loss(feats, sample_idx, self.graph, self.memory.rows)
