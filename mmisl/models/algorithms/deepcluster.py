"""DeepCluster: classify what k-means has put together."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from mmpretrain.structures import DataSample
from torch import Tensor
from torch.nn.functional import normalize

from mmisl.clustering import cluster_all, fit_whitening
from mmisl.ops import ShardedRows, move_rows
from mmisl.registry import MODELS
from mmisl.structures import ClusterAssignments

from ..miners import Views
from ..stage_summaries import ClusteringSummary
from .base import BaseAlgorithm, host_indices, real_rows


@MODELS.register_module()
class DeepCluster(BaseAlgorithm):
    """Deep Clustering for Unsupervised Learning of Visual Features.

    Caron et al., ECCV 2018, `arXiv:1807.05520
    <https://arxiv.org/abs/1807.05520>`_. Before every epoch the features of
    all images are clustered by k-means, and a classifier drawn anew learns to
    tell the clusters apart: positives of an image are the members of its
    cluster. An epoch draws equally many images of every cluster.

    Needs ``train_cfg=dict(max_rounds=EPOCHS + 1, encoder=dict(first_epochs=0,
    max_epochs=1))``, a ``ClusterSampler`` and a ``gallery_dataloader``. The
    code gives the classifier an SGD of its own without momentum; here that is
    a group of the one optimizer, by ``paramwise_cfg=dict(
    custom_keys={'head.classifier': dict(momentum=0.0)})``.

    # Deviates from the released code: the whitening is computed in float64,
    # and spans all images where faiss trains on at most 1,000 per dimension.

    Args:
        backbone (dict): See :class:`BaseAlgorithm`.
        neck (dict): Of :class:`mmisl.DeepClusterNeck`.
        head (dict): Of :class:`mmisl.DeepClusterHead`; its ``num_clusters``
            is k.
        num_components (int): Principal components that are whitened, made
            unit length and clustered; fewer than the images and at most the
            size of a feature. Defaults to 256, as in the paper.
        **kwargs: Of :class:`BaseAlgorithm`.

    Raises:
        ValueError: If ``num_components`` is smaller than 1.
    """

    mining_views = 'plain'
    mining_mode = 'cluster'

    def __init__(
        self,
        backbone: dict,
        neck: dict,
        head: dict,
        *,
        num_components: int = 256,
        **kwargs,
    ) -> None:
        super().__init__(backbone, neck, head, **kwargs)
        if num_components < 1:
            raise ValueError(
                f'num_components must be >= 1, got {num_components}'
            )
        self.num_components = num_components
        self.clusters = ClusterAssignments(1, self.head.num_clusters)

    def set_num_samples(self, num_samples: int) -> None:
        """See :class:`EngineContract`.

        Raises:
            ValueError: Also if the images are too few to be whitened; better
                now than when all of them are encoded.
        """
        if self.num_components >= num_samples:
            raise ValueError(
                f'model.num_components ({self.num_components}) must be '
                f'smaller than the number of images ({num_samples}); lower it'
            )
        super().set_num_samples(num_samples)

    def forward(
        self,
        inputs: Tensor,
        data_samples: Sequence[DataSample] = (),
        mode: str = 'tensor',
    ) -> Tensor | dict[str, Tensor] | Sequence[DataSample]:
        """As :meth:`BaseAlgorithm.forward`, with one mode more.

        Args:
            inputs (Tensor): (B, 3, H, W) float, normalised.
            data_samples (Sequence[DataSample]): Of the same images.
            mode (str): ``'cluster'`` gives the features before the last ReLU
                (B, D), not normalised; others as in the base class.

        Raises:
            ValueError: If ``mode`` is unknown.
        """
        if mode == 'cluster':
            return self.neck.raw(self._encode(inputs))
        return super().forward(inputs, data_samples, mode)

    def loss(
        self, inputs: Tensor, data_samples: Sequence[DataSample]
    ) -> dict[str, Tensor]:
        """Loss of one batch, see :class:`mmisl.DeepClusterHead`.

        Args:
            inputs (Tensor): (B, 3, H, W) float, normalised.
            data_samples (Sequence[DataSample]): Of the same images, each with
                its ``sample_idx``; padded copies (-1) take no part.

        Returns:
            dict[str, Tensor]: As the head gives them.

        Raises:
            RuntimeError: If nothing was clustered yet.
        """
        if not self.clusters.is_known:
            raise RuntimeError(
                'there are no clusters to learn from; train with '
                "train_cfg=dict(type='mmisl.RoundBasedTrainLoop', "
                'encoder=dict(first_epochs=0, ...)), which clusters before '
                'the first epoch'
            )
        hidden = self.neck.hidden(self._encode(inputs))
        indices = host_indices(data_samples)
        # Pinned, so that nobody waits until it has reached a GPU.
        sample_idx = torch.tensor(indices, pin_memory=hidden.is_cuda)
        real = real_rows(indices)
        if len(real) < len(indices):
            # Possibly none: the rank still takes its part in the losses.
            hidden, sample_idx = hidden[real], sample_idx[real]
        assigned = self.clusters.assignments[0]
        labels = assigned[sample_idx.to(assigned.device, non_blocking=True)]
        losses = self.head.loss(hidden, labels.long())
        scale = self.rank_weight(len(real), hidden.device)
        return {name: value * scale for name, value in losses.items()}

    def mine(self, views: Views, quota: float, seed: int) -> ClusteringSummary:
        """Cluster all images, and draw the classifier anew.

        Args:
            views (Views): One, (N, D) float, features before the last ReLU;
                the same on all ranks, or shards.
            quota (float): Of edges; there are none.
            seed (int): Of centroids and classifier.

        Returns:
            ClusteringSummary: What came of it.

        Raises:
            ValueError: If the features span fewer than ``num_components``
                directions.
        """
        start = time.perf_counter()
        (rows,) = views
        device = self.head.classifier.weight.device
        whitening = fit_whitening(
            rows,
            self.num_components,
            # Rows of 4,096 values lie on the host; their products need not.
            device=device,
        )

        def project(part: Tensor) -> Tensor:
            return normalize(whitening(part), dim=1)

        if isinstance(rows, ShardedRows):
            rows = rows.map(project)
        else:
            rows = project(rows)
        assignments, inertia = cluster_all(
            rows, self.clusters.num_clusters, seeds=[seed]
        )
        self.clusters.update(assignments)
        self.head.redraw(seed)
        return ClusteringSummary(
            seconds=time.perf_counter() - start,
            # Whitened they are narrow, and who looks for neighbours among a
            # million of them on the host waits longer than for the epoch.
            rows=move_rows(rows, device),
            inertia=inertia,
            num_empty=self.clusters.num_empty,
        )

    def redrawn_parameters(self) -> list[torch.nn.Parameter]:
        """Those of the classifier."""
        return list(self.head.classifier.parameters())
