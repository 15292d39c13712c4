"""Loss of Local Aggregation: close neighbours within the background."""

from __future__ import annotations

import torch
from mmengine.model import BaseModule
from torch import Tensor

from mmisl.ops import ShardedRows, nearest_products
from mmisl.registry import MODELS
from mmisl.structures import ClusterAssignments

# Inside the logarithm, as in the authors' code.
_EPS = 1e-7


@MODELS.register_module()
class LocalAggregationHead(BaseModule):
    r"""Pull a sample to its clusters, as far as they are in its background.

    .. math::
        L_i = -\log \left( \frac{\sum_{j \in C_i \cap B_i} P(j | f_i)}
                                {\sum_{j \in B_i} P(j | f_i)}
                           + 10^{-7} \right), \qquad
        P(j | f) = e^{f \cdot v_j / \tau} / Z

    with :math:`B_i` the rows of the bank nearest to the feature :math:`f_i`
    of this very step, and :math:`C_i` all members of the cluster of i in any
    of the H clusterings, i itself among them. Z cancels, so it is not
    computed. Which rows are chosen has no gradient, only their logits have.
    Source: Zhuang et al., ICCV 2019, section 3, and the authors' code, which
    adds the 1e-7.

    Where :math:`C_i \cap B_i` is empty the loss is the constant
    :math:`-\log 10^{-7} \approx 16.1` with zero gradient, as published: a
    sample that has moved away from all of its clusters, and from its own row,
    is left alone until the next clustering.

    The nearest rows come from a running top-k over blocks of the bank; neither
    (B, N) products nor the (B, K, D) chosen rows are ever held: see
    :func:`mmisl.ops.nearest_products`.

    Args:
        temperature (float): tau > 0. Defaults to 0.07.
        num_background (int): K >= 1, size of :math:`B_i`; all N rows where
            there are fewer. Defaults to 4096.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        temperature: float = 0.07,
        num_background: int = 4096,
    ) -> None:
        super().__init__()
        if temperature <= 0:
            raise ValueError(f'temperature must be > 0, got {temperature}')
        if num_background < 1:
            raise ValueError(
                f'num_background must be >= 1, got {num_background}'
            )
        self.temperature = temperature
        self.num_background = num_background

    def loss(
        self,
        feats: Tensor,
        sample_idx: Tensor,
        clusters: ClusterAssignments,
        bank: Tensor | ShardedRows,
    ) -> dict[str, Tensor]:
        """Mean over the batch.

        No shape depends on values of the device, so a GPU is never waited
        for, provided ``sample_idx`` lies on the host and the bank on no other
        rank.

        Args:
            feats (Tensor): (B, D) float, norm 1, with gradient. Half
                precision is computed in float32.
            sample_idx (Tensor): (B,) int64 in [0, N), on the host or on the
                device of ``feats``.
            clusters (ClusterAssignments): Of the same N samples as ``bank``.
            bank (Tensor | ShardedRows): (N, D) float, norm 1, no gradient.
                With shards all ranks call this together, also with B = 0.

        Returns:
            dict[str, Tensor]: Scalar ``loss_local_aggregation``, 0 with a
            graph for B = 0.

        Raises:
            ValueError: If ``clusters`` and ``bank`` disagree on N.
        """
        if clusters.num_samples != len(bank):
            raise ValueError(
                f'clusters are of {clusters.num_samples} samples, but bank '
                f'has {len(bank)} rows; both must belong to one training set'
            )
        # Under autocast the logits would lose the digits that tell which
        # rows are nearest.
        with torch.autocast(feats.device.type, enabled=False):
            if feats.dtype in (torch.float16, torch.bfloat16):
                feats = feats.float()
            products, rows = nearest_products(
                feats, bank, self.num_background
            )  # (B, K)
            is_close = _shares_cluster(
                sample_idx.to(feats.device, non_blocking=True),
                rows,
                clusters.assignments,
            )
            log_p = (products / self.temperature).log_softmax(1)
            share = log_p.exp().masked_fill(~is_close, 0).sum(1)
            nll = -(share + _EPS).log()
            loss = nll.sum() / max(len(feats), 1)
            return dict(loss_local_aggregation=loss)


def _shares_cluster(
    sample_idx: Tensor, rows: Tensor, assignments: Tensor
) -> Tensor:
    """Whether a row is in the sample's cluster of any clustering.

    Args:
        sample_idx (Tensor): (B,) int64.
        rows (Tensor): (B, K) int64.
        assignments (Tensor): (H, N) int32.

    Returns:
        Tensor: (B, K) bool.
    """
    is_close = torch.zeros_like(rows, dtype=torch.bool)
    # One clustering at a time: (H, B, K) would be 10 times the products.
    for clustering in assignments:
        is_close |= clustering[rows] == clustering[sample_idx].unsqueeze(1)
    return is_close
