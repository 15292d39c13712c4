"""Loss of the encoder stage of ISL."""

from __future__ import annotations

import torch
from mmengine.model import BaseModule
from torch import Tensor

from mmisl.ops import (
    bank_logsumexp,
    bank_softmax,
    segment_argmax,
    segment_logsumexp,
)
from mmisl.registry import MODELS
from mmisl.structures import NeighborGraph


@MODELS.register_module()
class ISLHead(BaseModule):
    r"""Loss of the encoder stage of ISL.

    With :math:`p_{ij} = \mathrm{softmax}_j(f_i \cdot v_j / \tau)` over the
    whole bank and neighbours :math:`N(i)`,

    .. math::
        L_i = -\log \sum_{j \in \{i\} \cup N(i)} p_{ij}
              + \lambda \, [N(i) \neq \emptyset] \,
              KL(p_i \,\|\, \mathrm{softmax}_j(v_{h(i)} \cdot v_j / \tau))

    where :math:`h(i)` is one neighbour of i. The released code takes the one
    MOST similar to i in the bank and calls it the hard positive. For empty
    N(i) the first term is NPID's. Source: released code,
    ``lib/LinearAverage.py``, ``LinearCriterion``.

    No (B, N) matrix is formed: with L and mu of
    :func:`mmisl.ops.bank_softmax` the KL term is
    :math:`\mu \cdot (f - v_h) / \tau - L(f) + L(v_h)`.

    Args:
        temperature (float): tau > 0. Defaults to 0.07.
        hard_positive_weight (float): lambda >= 0; 0 switches the term off.
            Defaults to 0.5.
        hard_positive (str): ``'nearest'`` as released, or ``'hardest'``, the
            neighbour LEAST similar to i. Defaults to ``'nearest'``.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        temperature: float = 0.07,
        hard_positive_weight: float = 0.5,
        *,
        hard_positive: str = 'nearest',
    ) -> None:
        super().__init__()
        if temperature <= 0:
            raise ValueError(f'temperature must be > 0, got {temperature}')
        if hard_positive_weight < 0:
            raise ValueError(
                'hard_positive_weight must be >= 0, got '
                f'{hard_positive_weight}'
            )
        if hard_positive not in ('nearest', 'hardest'):
            raise ValueError(
                "hard_positive must be 'nearest' or 'hardest', got "
                f'{hard_positive!r}'
            )
        self.temperature = temperature
        self.hard_positive_weight = hard_positive_weight
        self.hard_positive = hard_positive

    def loss(
        self,
        feats: Tensor,
        sample_idx: Tensor,
        graph: NeighborGraph,
        bank: Tensor,
    ) -> dict[str, Tensor]:
        """Compute the three terms, each summed and divided by B.

        Args:
            feats (Tensor): (B, D) float, norm 1, with gradient. Half
                precision is computed in float32.
            sample_idx (Tensor): (B,) int64 in [0, N).
            graph (NeighborGraph): Over the same N samples as ``bank``.
            bank (Tensor): (N, D) float, norm 1, no gradient.

        Returns:
            dict[str, Tensor]: Scalars ``loss_instance`` (samples without
            neighbours), ``loss_neighbor`` (samples with) and
            ``loss_hard_positive``. Their sum is minimised; absent cases give
            0 with a graph, so every rank can backward.

        Raises:
            ValueError: If ``graph`` and ``bank`` disagree on N.
        """
        if graph.num_samples != len(bank):
            raise ValueError(
                f'graph has {graph.num_samples} samples, but bank has '
                f'{len(bank)} rows; both must belong to one training set'
            )
        # Under autocast the logits over N rows would lose the digits that
        # the log-sum-exp is made of.
        with torch.autocast(feats.device.type, enabled=False):
            if feats.dtype in (torch.float16, torch.bfloat16):
                feats = feats.float()
            row, col = graph.neighbors(sample_idx)  # (M,), (M,)
            lse, mean = bank_softmax(feats, bank, self.temperature)
            positive = self._positive_logsumexp(
                feats, sample_idx, row, col, bank
            )
            has_neighbor = graph.degrees[sample_idx] > 0  # (B,)
            nll = (lse - positive) / len(feats)
            zero = feats.sum() * 0
            return dict(
                loss_instance=zero + nll[~has_neighbor].sum(),
                loss_neighbor=zero + nll[has_neighbor].sum(),
                loss_hard_positive=zero
                + self._hard_positive_kl(
                    feats, sample_idx, row, col, bank, lse, mean
                ),
            )

    def _positive_logsumexp(
        self,
        feats: Tensor,
        sample_idx: Tensor,
        row: Tensor,
        col: Tensor,
        bank: Tensor,
    ) -> Tensor:
        """Log-sum-exp of the logits of i and its neighbours, (B,)."""
        batch = torch.arange(len(feats), device=feats.device)
        row = torch.cat([batch, row])
        col = torch.cat([sample_idx, col])
        logits = (feats[row] * bank[col]).sum(1) / self.temperature
        return segment_logsumexp(logits, row, len(feats))

    def _hard_positive_kl(
        self,
        feats: Tensor,
        sample_idx: Tensor,
        row: Tensor,
        col: Tensor,
        bank: Tensor,
        lse: Tensor,
        mean: Tensor,
    ) -> Tensor:
        """Weighted KL to the hard positive, summed, over B."""
        if self.hard_positive_weight == 0 or row.numel() == 0:
            return feats.new_zeros(())
        similarity = (bank[sample_idx[row]] * bank[col]).sum(1)  # (M,)
        if self.hard_positive == 'hardest':
            similarity = -similarity
        chosen = segment_argmax(similarity, row, len(feats))  # (B,)
        owner = (chosen < len(col)).nonzero().squeeze(1)  # with neighbours
        target = bank[col[chosen[owner]]].to(feats.dtype)
        target_lse = bank_logsumexp(target, bank, self.temperature)
        cross = (mean[owner] * (feats[owner] - target)).sum(1)
        kl = cross / self.temperature - lse[owner] + target_lse
        return self.hard_positive_weight * kl.sum() / len(feats)
