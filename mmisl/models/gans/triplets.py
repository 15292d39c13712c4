"""Which positive and which negative stand beside an anchor."""

from __future__ import annotations

import torch
from torch import Tensor

from mmisl.structures import NeighborGraph

# Above this many bank rows per draw, looking up the drawn rows is cheaper
# than the similarity to the whole bank.
_DENSE_ROWS_PER_DRAW = 8


class TripletSampler:
    """Draws (anchor, positive, negative) rows from the bank.

    The released code draws ``num_draws`` rows per sample with replacement and
    draws again while one of them is a neighbour, in a Python loop
    (``lib/LinearAverage.py``). Here every draw is uniform over the rows that
    are neither the sample nor its neighbours, by construction.

    Args:
        num_draws (int): K. Defaults to 4096.
        positive (str): ``'self'``, the sample's own row, as released;
            ``'mined'``, one of the sample and its neighbours, as in the
            paper's Figure 2.
        negative (str): ``'hardest'``, the draw most similar to the anchor, as
            released; ``'semi_hard'``, the most similar one that is less
            similar than the positive, or the least similar if none is.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        num_draws: int = 4096,
        positive: str = 'self',
        negative: str = 'hardest',
    ) -> None:
        if num_draws < 1:
            raise ValueError(f'num_draws must be >= 1, got {num_draws}')
        if positive not in ('self', 'mined'):
            raise ValueError(
                f"positive must be 'self' or 'mined', got {positive!r}"
            )
        if negative not in ('hardest', 'semi_hard'):
            raise ValueError(
                f"negative must be 'hardest' or 'semi_hard', got {negative!r}"
            )
        self.num_draws = num_draws
        self.positive = positive
        self.negative = negative

    @torch.no_grad()
    def sample(
        self,
        anchors: Tensor,
        sample_idx: Tensor,
        bank: Tensor,
        graph: NeighborGraph,
        generator: torch.Generator,
    ) -> tuple[Tensor, Tensor]:
        """Choose a positive and a negative row for every anchor.

        Args:
            anchors (Tensor): (B, D) float, norm 1.
            sample_idx (Tensor): (B,) int64.
            bank (Tensor): (N, D) float, norm 1.
            graph (NeighborGraph): Over the same N samples.
            generator (torch.Generator): On the device of ``bank``.

        Returns:
            tuple[Tensor, Tensor]: Bank rows of the positives and of the
            negatives, (B,) int64 each.

        Raises:
            ValueError: If a sample has every other one as neighbour.
        """
        positive = self._positives(sample_idx, graph, generator)
        draws = draw_non_neighbors(
            sample_idx, graph, self.num_draws, generator
        )  # (B, K)
        similarity = _similarity_to_draws(anchors, bank, draws)  # (B, K)
        if self.negative == 'semi_hard':
            limit = (anchors * bank[positive]).sum(1, keepdim=True)
            allowed = similarity < limit
            semi_hard = similarity.masked_fill(~allowed, -2.0)
            chosen = torch.where(
                allowed.any(1), semi_hard.argmax(1), similarity.argmin(1)
            )
        else:
            chosen = similarity.argmax(1)
        return positive, draws.gather(1, chosen.unsqueeze(1)).squeeze(1)

    def _positives(
        self,
        sample_idx: Tensor,
        graph: NeighborGraph,
        generator: torch.Generator,
    ) -> Tensor:
        if self.positive == 'self' or graph.num_edges == 0:
            return sample_idx
        # Slot 0 is the sample itself, slot s its s-th neighbour.
        degree = graph.degrees[sample_idx]
        uniform = torch.rand(
            len(sample_idx), generator=generator, device=sample_idx.device
        )
        slot = (uniform * (degree + 1)).long().clamp_max(degree)
        neighbor = graph.indptr[sample_idx] + (slot - 1).clamp_min(0)
        neighbor = neighbor.clamp_max(graph.indices.numel() - 1)
        mined = graph.indices[neighbor].to(torch.int64)
        return torch.where(slot == 0, sample_idx, mined)


def draw_non_neighbors(
    sample_idx: Tensor,
    graph: NeighborGraph,
    num_draws: int,
    generator: torch.Generator,
) -> Tensor:
    """Uniform draws, with replacement, outside ``{i} + N(i)``.

    A draw u from [0, N - |excluded|) becomes the u-th row that is not
    excluded: u plus the number of excluded rows at or before it.

    Args:
        sample_idx (Tensor): (B,) int64.
        graph (NeighborGraph): Over N samples.
        num_draws (int): K.
        generator (torch.Generator): On the device of ``sample_idx``.

    Returns:
        Tensor: (B, K) int64 in [0, N).

    Raises:
        ValueError: If a sample has every other one as neighbour.
    """
    num_rows, num_samples = len(sample_idx), graph.num_samples
    device = sample_idx.device
    allowed = num_samples - 1 - graph.degrees[sample_idx]  # (B,)
    if int(allowed.min()) < 1:
        raise ValueError(
            f'a sample has all {num_samples - 1} others as neighbours, so no '
            'negative is left; lower quota_per_round or set max_degree'
        )
    uniform = torch.rand(
        num_rows,
        num_draws,
        generator=generator,
        device=device,
        dtype=torch.float64,
    )
    draws = (uniform * allowed.unsqueeze(1)).long()
    draws = torch.minimum(draws, allowed.unsqueeze(1) - 1)

    row, col = graph.neighbors(sample_idx)
    row = torch.cat([row, torch.arange(num_rows, device=device)])
    col = torch.cat([col, sample_idx])
    order = torch.argsort(row * num_samples + col)
    row, col = row[order], col[order]
    count = torch.bincount(row, minlength=num_rows)
    slot = (
        torch.arange(len(row), device=device) - (count.cumsum(0) - count)[row]
    )
    # excluded[b, s] - s: how many allowed rows precede the s-th excluded one.
    preceding = torch.full(
        (num_rows, int(count.max())), num_samples, device=device
    )
    preceding[row, slot] = col - slot
    return draws + torch.searchsorted(preceding, draws, right=True)


def _similarity_to_draws(
    anchors: Tensor, bank: Tensor, draws: Tensor
) -> Tensor:
    """Cosine of every anchor to its own draws, (B, K)."""
    if len(bank) <= _DENSE_ROWS_PER_DRAW * draws.shape[1]:
        return (anchors @ bank.T).gather(1, draws)
    parts = [
        torch.einsum('bd,bkd->bk', anchors, bank[part])
        for part in draws.split(512, dim=1)
    ]
    return torch.cat(parts, dim=1)
