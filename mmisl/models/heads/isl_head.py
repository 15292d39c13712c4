"""Loss of the encoder stage of ISL."""

from __future__ import annotations

from typing import NamedTuple

import torch
from mmengine.model import BaseModule
from torch import Tensor

from mmisl.ops import (
    ShardedRows,
    bank_softmax,
    bank_softmax_kl,
    check_backend,
    segment_argmax,
    segment_logsumexp,
    segment_mean,
)
from mmisl.registry import MODELS
from mmisl.structures import NeighborGraph

# How the logits of a sample and of its neighbours become one.
POSITIVE_REDUCTIONS = {'logsumexp': segment_logsumexp, 'mean': segment_mean}


def check_reduction(positive_reduction: str) -> str:
    """The name, if it is one of :data:`POSITIVE_REDUCTIONS`.

    Raises:
        ValueError: If it is not.
    """
    if positive_reduction not in POSITIVE_REDUCTIONS:
        raise ValueError(
            'positive_reduction must be one of '
            f'{", ".join(POSITIVE_REDUCTIONS)}, got {positive_reduction!r}'
        )
    return positive_reduction


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

    With the sum inside the logarithm a neighbour is pulled by its share of
    the sum, so that those which are near already take all of it. With
    ``positive_reduction='mean'`` the first term is

    .. math::
        -\frac{1}{1 + |N(i)|} \sum_{j \in \{i\} \cup N(i)} \log p_{ij}

    in which every one is pulled alike, as supervised contrastive learning
    prefers (Khosla et al. 2020, eq. 2 over eq. 3).

    No (B, N) matrix is formed: see :func:`mmisl.ops.bank_softmax_kl`.

    Args:
        temperature (float): tau > 0. Defaults to 0.07.
        hard_positive_weight (float): lambda >= 0; 0 switches the term off.
            Defaults to 0.5.
        hard_positive (str): ``'nearest'`` as released, or ``'hardest'``, the
            neighbour LEAST similar to i. Defaults to ``'nearest'``.
        positive_reduction (str): ``'logsumexp'`` as released, or ``'mean'``.
            Defaults to ``'logsumexp'``.
        backend (str): Of :func:`mmisl.ops.bank_softmax_kl`: ``'torch'``, or
            ``'triton'`` for kernels on CUDA, with float32 features and a
            float32 or half bank at most 512 wide. Defaults to ``'torch'``:
            no kernel was run on a GPU yet, see
            ``tools/benchmark/gpu_checks.py``.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        temperature: float = 0.07,
        hard_positive_weight: float = 0.5,
        *,
        hard_positive: str = 'nearest',
        positive_reduction: str = 'logsumexp',
        backend: str = 'torch',
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
        self.positive_reduction = check_reduction(positive_reduction)
        self.backend = check_backend(backend)

    def loss(
        self,
        feats: Tensor,
        sample_idx: Tensor,
        graph: NeighborGraph,
        bank: Tensor | ShardedRows,
    ) -> dict[str, Tensor]:
        """Compute the three terms, each summed and divided by B.

        No shape depends on values of the device, so a GPU is never waited
        for, provided ``sample_idx`` lies on the host and the bank on no
        other rank.

        Args:
            feats (Tensor): (B, D) float, norm 1, with gradient. Half
                precision is computed in float32.
            sample_idx (Tensor): (B,) int64 in [0, N), on the host or on the
                device of ``feats``.
            graph (NeighborGraph): Over the same N samples as ``bank``.
            bank (Tensor | ShardedRows): (N, D) float, norm 1, no gradient.
                With shards all ranks call this together, also with B = 0.

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
            positives = _Positives.look_up(feats, sample_idx, graph, bank)
            # Known to all ranks alike, unlike the neighbours of a batch.
            if self.hard_positive_weight > 0 and graph.num_edges > 0:
                lse, kl = bank_softmax_kl(
                    feats,
                    positives.hard_positive(self.hard_positive == 'hardest'),
                    bank,
                    self.temperature,
                    backend=self.backend,
                )
            else:
                lse, _ = bank_softmax(
                    feats, bank, self.temperature, backend=self.backend
                )
                kl = torch.zeros_like(lse)
            logits = positives.logits(feats, self.temperature)
            reduce = POSITIVE_REDUCTIONS[self.positive_reduction]
            logit = reduce(logits, positives.row, len(feats))
            nll = (lse - logit) / max(len(feats), 1)
            zero = feats.sum() * 0
            has_neighbor = positives.has_neighbor
            weight = self.hard_positive_weight / max(len(feats), 1)
            return dict(
                loss_instance=zero + nll.masked_fill(has_neighbor, 0).sum(),
                loss_neighbor=zero + nll.masked_fill(~has_neighbor, 0).sum(),
                loss_hard_positive=zero
                + kl.masked_fill(~has_neighbor, 0).sum() * weight,
            )


class _Positives(NamedTuple):
    """Rows of the samples of a batch and of their neighbours.

    Attributes:
        row: (B + M,) int64, position in the batch: 0 to B - 1 for the
            samples themselves, then those of the M neighbours.
        feats: (B + M, D), rows of the bank.
        has_neighbor: (B,) bool.
    """

    row: Tensor
    feats: Tensor
    has_neighbor: Tensor

    @classmethod
    def look_up(
        cls,
        feats: Tensor,
        sample_idx: Tensor,
        graph: NeighborGraph,
        bank: Tensor | ShardedRows,
    ) -> _Positives:
        """Of samples (B,), in the type of their feats (B, D)."""
        row, col = graph.neighbors(sample_idx)  # (M,), (M,)
        sample_idx = sample_idx.to(col.device, non_blocking=True)
        rows = bank[torch.cat([sample_idx, col])].to(feats.dtype)
        degree = row.new_zeros(len(feats)).index_add_(
            0, row, torch.ones_like(row)
        )
        batch = torch.arange(len(feats), device=row.device)
        return cls(torch.cat([batch, row]), rows, degree > 0)

    def logits(self, feats: Tensor, temperature: float) -> Tensor:
        """Of the samples and their neighbours, (B + M,)."""
        return (feats[self.row] * self.feats).sum(1) / temperature

    def hard_positive(self, hardest: bool) -> Tensor:
        """(B, D), the chosen neighbour; the sample itself without any."""
        num_samples = len(self.has_neighbor)
        own = self.feats[:num_samples]
        similarity = (own[self.row] * self.feats).sum(1)
        if hardest:
            similarity = -similarity
        similarity[:num_samples] = -torch.inf
        return self.feats[segment_argmax(similarity, self.row, num_samples)]
