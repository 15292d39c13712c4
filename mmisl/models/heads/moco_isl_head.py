"""Loss of MoCo with mined positives."""

from __future__ import annotations

import torch
from mmengine.model import BaseModule
from torch import Tensor

from mmisl.ops import ShardedRows, draw_uniform, segment_argmax
from mmisl.registry import MODELS
from mmisl.structures import NeighborGraph

from ..memories import KeyQueue
from .isl_head import check_reduction


@MODELS.register_module()
class MoCoISLHead(BaseModule):
    r"""InfoNCE with several positives, and without known false negatives.

    A PROPOSAL: of "MoCo-v2 + ISL" (ICCV 2021, supplement) no definition was
    published. With query :math:`q_i`, its key :math:`k_i`, mined neighbours
    :math:`A_i`, a random subset :math:`S_i \subset A_i` of at most
    ``max_positives``, bank rows :math:`v_j`, and the keys u of the queue that
    belong to neither i nor :math:`A_i`, called :math:`U_i`,

    .. math::
        L_i = -\log \frac{e^{q_i k_i / \tau} + \sum_{S_i} e^{q_i v_j / \tau}}
                         {e^{q_i k_i / \tau} + \sum_{S_i} e^{q_i v_j / \tau}
                          + \sum_{U_i} e^{q_i u / \tau}}
              + \lambda \, KL(p(q_i) \,\|\, p(v_{h(i)}))

    where p is the softmax over the WHOLE queue and h(i) the neighbour most
    similar to i in the bank: ISL's sum inside the logarithm and its hard
    positive (:class:`mmisl.ISLHead`), with the softmax over queue and
    positives instead of the bank. A sample without neighbours has MoCo's
    loss: nothing is taken out of its negatives, not even stale keys of its
    own, and it has no second term.

    With ``positive_reduction='mean'`` the numerator is the geometric mean of
    its terms, so that every positive is pulled alike: see
    :class:`mmisl.ISLHead`.

    The subset is a function of the sample's ``draw_key``, so it depends
    neither on the ranks nor on an interruption.

    Args:
        temperature (float): tau > 0. Defaults to 0.2, as in MoCo v2.
        max_positives (int): Largest size of S, >= 1. Defaults to 4.
        kl_weight (float): lambda >= 0; 0 switches the term off.
            Defaults to 0.5.
        use_positives (bool): Whether S is used. If not, S is empty and
            neighbours are only taken out of the negatives.
            Defaults to True.
        positive_reduction (str): ``'logsumexp'`` or ``'mean'``.
            Defaults to ``'logsumexp'``.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        temperature: float = 0.2,
        *,
        max_positives: int = 4,
        kl_weight: float = 0.5,
        use_positives: bool = True,
        positive_reduction: str = 'logsumexp',
    ) -> None:
        super().__init__()
        if temperature <= 0:
            raise ValueError(f'temperature must be > 0, got {temperature}')
        if max_positives < 1:
            raise ValueError(
                f'max_positives must be >= 1, got {max_positives}; '
                'use_positives=False goes without'
            )
        if kl_weight < 0:
            raise ValueError(f'kl_weight must be >= 0, got {kl_weight}')
        self.temperature = temperature
        self.max_positives = max_positives
        self.kl_weight = kl_weight
        self.use_positives = use_positives
        self.positive_reduction = check_reduction(positive_reduction)

    def loss(
        self,
        query: Tensor,
        key: Tensor,
        sample_idx: Tensor,
        draw_keys: Tensor,
        *,
        queue: KeyQueue,
        graph: NeighborGraph,
        bank: Tensor | ShardedRows,
    ) -> dict[str, Tensor]:
        """Mean over the batch.

        No shape depends on values of the device, so a GPU is never waited
        for, provided ``sample_idx`` lies on the host and the bank on no
        other rank.

        Args:
            query (Tensor): (B, D) float, norm 1, with gradient.
            key (Tensor): (B, D) float, norm 1, no gradient.
            sample_idx (Tensor): (B,) int64 in [0, N), on the host or on the
                device of ``query``.
            draw_keys (Tensor): (B, W) int64, what the random numbers of each
                sample depend on.
            queue (KeyQueue): K keys; may be written after this.
            graph (NeighborGraph): Over the same N samples as ``bank``.
            bank (Tensor | ShardedRows): (N, D) float, norm 1, no gradient.
                With shards all ranks call this together, also with B = 0.

        Returns:
            dict[str, Tensor]: Scalars ``loss_contrastive`` and
            ``loss_hard_positive``; 0 with a graph for B = 0.

        Raises:
            ValueError: If ``graph`` and ``bank`` disagree on N.
        """
        if graph.num_samples != len(bank):
            raise ValueError(
                f'graph has {graph.num_samples} samples, but bank has '
                f'{len(bank)} rows; both must belong to one training set'
            )
        # A copy: the queue is written before the backward pass.
        keys = queue.keys.to(query.dtype, copy=True)
        logits = query @ keys.T / self.temperature  # (B, K)
        own_logit = (query * key).sum(1, keepdim=True) / self.temperature
        divergence = query.sum() * 0
        # Known to all ranks alike, unlike the neighbours of a batch.
        if graph.num_edges:
            mined = _Neighbors(sample_idx, graph, bank, query)
            is_positive = mined.held_by(queue.sample_idx)  # (B, K)
            if self.kl_weight > 0:
                target = mined.nearest() @ keys.T / self.temperature
                kl = _kl_divergence(logits, target)
                divergence = divergence + _mean(mined.masked(kl))
            if self.use_positives:
                own_logit = self._with_neighbors(
                    own_logit, query, mined, draw_keys
                )
            logits = logits.masked_fill(is_positive, -torch.inf)
        nll = torch.cat([own_logit, logits], 1).logsumexp(1)
        return dict(
            loss_contrastive=_mean(nll - self._reduce(own_logit)),
            loss_hard_positive=self.kl_weight * divergence,
        )

    def _reduce(self, logits: Tensor) -> Tensor:
        """(B,) from the logits of all positives, -inf in empty places."""
        if self.positive_reduction == 'logsumexp':
            return logits.logsumexp(1)
        is_there = logits.isfinite()
        return logits.where(is_there, 0).sum(1) / is_there.sum(1)

    def _with_neighbors(
        self,
        own_logit: Tensor,
        query: Tensor,
        mined: _Neighbors,
        draw_keys: Tensor,
    ) -> Tensor:
        """(B, 1 + S) logits of all positives, -inf in empty places."""
        feats, is_there = mined.draw(self.max_positives, draw_keys)
        logits = (query.unsqueeze(1) * feats).sum(2) / self.temperature
        return torch.cat(
            [own_logit, logits.masked_fill(~is_there, -torch.inf)], 1
        )


class _Neighbors:
    """The M mined neighbours of a batch of B samples, as flat pairs.

    Attributes:
        row: (M,) int64 in [0, B), ascending.
        col: (M,) int64, sample index of the neighbour.
        degree: (B,) int64.
        sample_idx: (B,) int64, the samples themselves.
        feats: (B + M, D), rows of the bank, first those of the samples.
    """

    def __init__(
        self,
        sample_idx: Tensor,
        graph: NeighborGraph,
        bank: Tensor | ShardedRows,
        like: Tensor,
    ) -> None:
        self.row, self.col = graph.neighbors(sample_idx)
        self.sample_idx = sample_idx.to(like.device, non_blocking=True)
        self.feats = bank[torch.cat([self.sample_idx, self.col])].to(like)
        self.degree = self.row.new_zeros(len(sample_idx)).index_add_(
            0, self.row, torch.ones_like(self.row)
        )

    def masked(self, values: Tensor) -> Tensor:
        """(B,) values, 0 where there is no neighbour."""
        return values.masked_fill(self.degree == 0, 0)

    def nearest(self) -> Tensor:
        """(B, D), the neighbour most similar in the bank; any without."""
        batch_size = len(self.degree)
        own, others = self.feats[:batch_size], self.feats[batch_size:]
        similarity = (own[self.row] * others).sum(1)
        pair = segment_argmax(similarity, self.row, batch_size)
        return self.feats[(pair + batch_size).clamp_max(len(self.feats) - 1)]

    def draw(self, num_drawn: int, draw_keys: Tensor) -> tuple[Tensor, Tensor]:
        """Up to S neighbours of every sample, each equally likely.

        Args:
            num_drawn (int): S.
            draw_keys (Tensor): (B, W) int64.

        Returns:
            tuple[Tensor, Tensor]: Rows of the bank (B, S, D), and which of
            them there are, (B, S) bool.
        """
        device, batch_size = self.row.device, len(self.degree)
        draw_keys = draw_keys.to(device, non_blocking=True)
        # A neighbour's number depends on no other neighbour.
        words = torch.cat([draw_keys[self.row], self.col.unsqueeze(1)], 1)
        order = torch.argsort(draw_uniform(words, 1).squeeze(1))
        order = order[torch.argsort(self.row[order], stable=True)]
        # Rank within the row; ``row[order]`` is ``row`` again.
        turn = torch.arange(len(order), device=device)
        turn = turn - (self.degree.cumsum(0) - self.degree)[self.row]
        # Those that are too many all go to one place more, which is cut off.
        place = self.row.new_zeros(batch_size, num_drawn + 1)
        place[self.row, turn.clamp_max(num_drawn)] = batch_size + order
        is_there = torch.arange(
            num_drawn, device=device
        ) < self.degree.unsqueeze(1)
        return self.feats[place[:, :num_drawn]], is_there

    def held_by(self, queue_idx: Tensor) -> Tensor:
        """Which keys of a queue are of the samples or their neighbours.

        Args:
            queue_idx (Tensor): (K,) int64, -1 for keys of no sample.

        Returns:
            Tensor: (B, K) bool, False for samples without neighbours.
        """
        batch_size, size = len(self.degree), len(queue_idx)
        batch = torch.arange(batch_size, device=self.row.device)
        row = torch.cat([batch, self.row])
        own = self.sample_idx.masked_fill(self.degree == 0, -2)
        wanted = torch.cat([own, self.col])
        # Keys of one sample share the place of the first of them in order.
        ordered = queue_idx.sort().values
        place = torch.searchsorted(ordered, wanted)
        is_held = ordered[place.clamp_max(size - 1)] == wanted
        held = torch.zeros(
            batch_size, size + 1, dtype=torch.bool, device=row.device
        )
        held[row, place.masked_fill(~is_held, size)] = True
        return held[:, torch.searchsorted(ordered, queue_idx)]


def _kl_divergence(logits: Tensor, target_logits: Tensor) -> Tensor:
    """KL(softmax(logits) || softmax(target_logits)) of every row, (B,)."""
    log_p = logits.log_softmax(1)
    log_q = target_logits.log_softmax(1)
    return (log_p.exp() * (log_p - log_q)).sum(1)


def _mean(values: Tensor) -> Tensor:
    """Mean of (B,), 0 for B = 0."""
    return values.sum() / max(len(values), 1)
