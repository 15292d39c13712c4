"""What the engine may ask of every algorithm."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.dist import all_reduce, get_world_size
from mmengine.model import BaseModel
from mmpretrain.structures import DataSample
from torch import Tensor

from mmisl.ops import import_faiss
from mmisl.registry import MODELS

from ..initial_draws import initial_draws
from ..miners import Candidates, Rows, Views, mean_view, plain_neighbors
from ..stage_summaries import StageSummary


class EngineContract:
    """What loop, hooks, feature extraction and tools ask of a model.

    They use what is named here, the modes of :meth:`BaseAlgorithm.forward`,
    and nothing else.

    Attributes:
        memory: :class:`mmisl.MemoryBank`, None for an algorithm without one.
        graph: :class:`NeighborGraph`, None for an algorithm without one.
        clusters: :class:`ClusterAssignments`, None for an algorithm without
            them.
        mining_views: What :meth:`mine` looks at: ``'augmented'`` views of
            every sample, the ``'plain'`` images under the test transforms,
            or nothing but the ``'bank'``; None where nothing is mined.
        mining_mode: Mode of ``forward`` that encodes them.
        min_mining_views: Augmented views that mining needs of every sample.
        needs_labels: Whether :meth:`check_labels` is to be asked before
            training begins; to read all labels takes a while.
        checkpoint: File that ``init_weights`` takes the backbone from, None
            where it starts from random weights.
    """

    mining_views: str | None = None
    mining_mode = 'tensor'
    min_mining_views = 1
    needs_labels = False
    checkpoint: str | None = None
    # Any: a subclass knows what it has, and need not ask for None. Without
    # values here, which would hide the modules of these names.
    memory: Any
    graph: Any
    clusters: Any

    def set_num_samples(self, num_samples: int) -> None:
        """Size everything that has an entry per sample, for a set of N.

        Raises:
            ValueError: If anything already has another size, or there are
                fewer samples than clusters.
            ImportError: If samples will be clustered and faiss is missing:
                better now than hours later.
        """
        if self.clusters is not None:
            import_faiss('choose a method that does not cluster')
        for part in (self.memory, self.graph, self.clusters):
            if part is not None:
                part.set_num_samples(num_samples)

    def check_labels(self, labels: Tensor | None) -> None:
        """Look at the labels of the training set before training begins.

        Args:
            labels (Tensor | None): (N,) int64; None for a set without labels.

        Raises:
            ValueError: If the algorithm learns from labels and cannot learn
                from these.
        """

    def check_mining(self, num_samples: int) -> None:
        """Look for what mining needs beside features, before training.

        Args:
            num_samples (int): N, of the training set.

        Raises:
            FileNotFoundError: If a file is missing.
            ValueError: If it does not go with the training set.
        """

    def mine(self, views: Views, quota: float, seed: int) -> StageSummary:
        """Look for positives with the frozen encoder, between two rounds.

        Args:
            views (Views): What ``mining_views`` asks for. Augmented: V of
                (N, D) float, norm 1, on the bank's device, sharded where the
                bank is. Plain: one of (N, C) float, always
                :class:`ShardedRows` on the host, also on a single rank. Of
                the bank alone: none.
            quota (float): Mean neighbours per sample to reach, where a graph
                is mined.
            seed (int): Of everything random in this stage.

        Returns:
            StageSummary: What was done.

        Raises:
            TypeError: If the algorithm looks for no positives.
        """
        raise TypeError(
            f'{type(self).__name__} looks for no positives between rounds; '
            'set train_cfg.max_rounds=1 and leave train_cfg.mining out'
        )

    def redrawn_parameters(self) -> list[torch.nn.Parameter]:
        """Parameters that :meth:`mine` draws anew.

        The optimizer forgets what it knew of them.
        """
        return []

    def refresh_memory(self, views: Views) -> None:
        """Put the mean of the views of every sample in its row of the bank.

        Args:
            views (Views): V of (N, D) float, norm 1, sharded where the bank
                is.

        Raises:
            TypeError: If the algorithm has no memory bank.
        """
        if self.memory is None:
            raise TypeError(f'{type(self).__name__} has no memory bank')
        self.memory.replace(mean_view(views))

    def plain_neighbors(self, rows: Rows, num_edges: int) -> Candidates:
        """Most similar pairs: what a mined graph is to be compared with.

        Args:
            rows (Rows): (N, D) float, norm 1.
            num_edges (int): Undirected edges wanted.

        Returns:
            Candidates: See :func:`plain_neighbors`.
        """
        return plain_neighbors(rows, num_edges)

    def rank_weight(self, num_real: int, device: torch.device) -> Tensor:
        """This rank's share of the global batch, times the ranks.

        A mean over this rank's samples times this weight has the mean over
        the global batch as its mean over the ranks, which DDP forms, even
        when ranks hold unequal numbers of real samples.

        Args:
            num_real (int): Samples of this rank that are no padded copies.
            device (torch.device): Of the losses.

        Returns:
            Tensor: () float32.
        """
        total = torch.full((), float(num_real), device=device)
        all_reduce(total)
        return num_real * get_world_size() / total


class BaseAlgorithm(EngineContract, BaseModel, metaclass=ABCMeta):
    """An encoder, and an answer to who the positives of a sample are.

    Args:
        backbone (dict): Of a backbone that returns a tuple of maps.
        neck (dict): Of a neck that returns features of norm 1, (B, D), and
            pools the backbone's maps with ``pool``.
        head (dict): Of the head that computes the losses.
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
        self.memory = self.graph = self.clusters = None
        self.channels_last = channels_last
        if channels_last:
            self.backbone.to(memory_format=torch.channels_last)
        if compile_encoder:
            self.backbone.compile()
            self.neck.compile()

    def init_weights(self) -> None:
        """Initialise alike in all methods and in both memory layouts.

        Weights are drawn from a stream that the seed alone decides, those of
        the backbone first; see :func:`initial_draws`. A layer that a part
        leaves as it was built, as :class:`ISLNeck` does, is equal as well:
        backbone and neck are built before what methods differ in.
        """
        # Random numbers are filled in in the order of the memory.
        self.backbone.to(memory_format=torch.contiguous_format)
        with initial_draws(self):
            super().init_weights()
        if self.channels_last:
            self.backbone.to(memory_format=torch.channels_last)

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

    @abstractmethod
    def loss(
        self, inputs: Tensor, data_samples: Sequence[DataSample]
    ) -> dict[str, Tensor]:
        """Losses of one batch, scaled by :meth:`rank_weight`.

        Args:
            inputs (Tensor): (B, 3, H, W) float, normalised.
            data_samples (Sequence[DataSample]): Of the same images, each with
                its ``sample_idx``, which is -1 for a padded copy: that takes
                no part.

        Returns:
            dict[str, Tensor]: Scalars; those whose name begins with ``loss``
            are minimised.
        """

    def _encode(self, inputs: Tensor) -> tuple[Tensor, ...]:
        if self.channels_last:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        return self.backbone(inputs)


def host_indices(data_samples: Sequence[DataSample]) -> list[int]:
    """The ``sample_idx`` of a batch, -1 for padded copies."""
    return [sample.sample_idx for sample in data_samples]


def real_rows(indices: Sequence[int]) -> list[int]:
    """Positions in the batch of what is no padded copy."""
    return [row for row, idx in enumerate(indices) if idx >= 0]
