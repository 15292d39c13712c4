"""Which positive and which negative stand beside an anchor."""

from __future__ import annotations

import torch
from mmengine.dist import get_world_size
from torch import Tensor

from mmisl.ops import ShardedRows
from mmisl.structures import NeighborGraph

# Above this many bank rows per draw, looking up the drawn rows is cheaper
# than the similarity to the whole bank: on one CPU thread, 4,096 draws and
# D = 128, the product took 0.2 of the time at 50 k rows, 0.4 at 200 k and 4
# times as much at 1.28 M.
_DENSE_ROWS_PER_DRAW = 64
# Similarities, or values of the rows looked up, that exist at a time.
_VALUES_AT_ONCE = 2**24


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
        bank: Tensor | ShardedRows,
        graph: NeighborGraph,
        generator: torch.Generator,
    ) -> tuple[Tensor, Tensor]:
        """Choose a positive and a negative row for every anchor.

        Args:
            anchors (Tensor): (B, D) float, norm 1.
            sample_idx (Tensor): (B,) int64.
            bank (Tensor | ShardedRows): (N, D) float, norm 1.
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
        limit = None
        if self.negative == 'semi_hard':
            limit = (anchors * bank[positive]).sum(1, keepdim=True)
        chosen = _choose_draw(anchors, bank, draws, limit)
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
    excluded. Memory is O(B K), whatever the largest degree.

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
    degree = graph.indptr[sample_idx + 1] - graph.indptr[sample_idx]
    allowed = num_samples - 1 - degree  # (B,)
    # Reads the device only where some sample has all others as neighbours.
    if graph.max_degree == num_samples - 1 and bool((allowed < 1).any()):
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
    return graph.non_neighbors(sample_idx, draws)


def _choose_draw(
    anchors: Tensor,
    bank: Tensor | ShardedRows,
    draws: Tensor,
    limit: Tensor | None,
) -> Tensor:
    """Slot (B,) of the most similar draw below the limit, else of the least.

    Every rank of a sharded bank judges the draws that are rows of its own,
    and sends its best and its least similar one.
    """
    if isinstance(bank, Tensor):
        similarity = _similarity_to_draws(anchors, bank, draws)  # (B, K)
        return _best_of([_extremes(similarity, limit, None)])
    # Every rank holds the draws of all ranks: fewer at a time the more.
    most = max(bank.exchange(len(anchors)).counts)
    at_once = max(1, _VALUES_AT_ONCE // (draws.shape[1] * get_world_size()))
    slots = [
        _choose_on_shards(
            anchors[begin : begin + at_once],
            bank,
            draws[begin : begin + at_once],
            None if limit is None else limit[begin : begin + at_once],
        )
        for begin in range(0, max(most, 1), at_once)
    ]
    return torch.cat(slots)


def _choose_on_shards(
    anchors: Tensor, bank: ShardedRows, draws: Tensor, limit: Tensor | None
) -> Tensor:
    """:func:`_choose_draw` for as many anchors as fit at a time."""
    exchange = bank.exchange(len(anchors))
    # The largest message of all: half of it where indices fit 32 bits.
    narrow = torch.int32 if len(bank) < 2**31 else torch.int64
    draws = exchange.gather(draws.to(narrow)).long()
    if limit is not None:
        limit = exchange.gather(limit)
    own = bank.is_local(draws)
    # Draws of other ranks' rows stand for any row; nobody looks at them.
    rows = bank.local_rows(draws).clamp_max(len(bank.local) - 1)
    similarity = _similarity_to_draws(
        exchange.gather(anchors), bank.local, rows
    )
    return _best_of(list(exchange.back(_extremes(similarity, limit, own))))


def _extremes(
    similarity: Tensor, limit: Tensor | None, own: Tensor | None
) -> Tensor:
    """Of the draws (B, K) below the limit the largest, of all the least.

    Returns:
        Tensor: (B, 4) float64: largest and its slot, least and its slot;
        infinite where there is none.
    """
    largest = least = similarity
    if own is not None:
        largest = largest.masked_fill(~own, -torch.inf)
        least = least.masked_fill(~own, torch.inf)
    if limit is not None:
        largest = largest.masked_fill(similarity >= limit, -torch.inf)
    high, low = largest.max(1), least.min(1)
    return torch.stack(
        [part.double() for part in (*high, *low)],
        dim=1,
    )


def _best_of(parts: list[Tensor]) -> Tensor:
    """Slot (B,) chosen among the extremes (B, 4) of several parts."""
    extremes = torch.stack(parts)  # (P, B, 4)
    high, part = extremes[..., 0].max(0)
    slot = extremes[..., 1].gather(0, part.unsqueeze(0)).squeeze(0)
    part = extremes[..., 2].argmin(0)
    least = extremes[..., 3].gather(0, part.unsqueeze(0)).squeeze(0)
    return torch.where(high > -torch.inf, slot, least).long()


def _similarity_to_draws(
    anchors: Tensor, bank: Tensor, draws: Tensor
) -> Tensor:
    """Cosine of every anchor to its own draws, (B, K)."""
    num_draws = draws.shape[1]
    dense = len(bank) <= _DENSE_ROWS_PER_DRAW * num_draws
    values = len(bank) if dense else num_draws * bank.shape[1]
    parts = []
    at_once = max(1, _VALUES_AT_ONCE // values)
    for anchor, draw in zip(anchors.split(at_once), draws.split(at_once)):
        if dense:
            parts.append((anchor @ bank.T).gather(1, draw))
            continue
        drawn = bank[draw.flatten()].view(*draw.shape, -1)
        parts.append(torch.einsum('bd,bkd->bk', anchor, drawn))
    return torch.cat(parts)
