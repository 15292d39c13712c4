"""A matrix whose rows are dealt out over the ranks."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.distributed as dist
from mmengine.dist import all_gather, all_reduce, get_rank, get_world_size
from torch import Tensor


class ShardedRows:
    """An (N, D) matrix of which rank r of W holds the rows r, r + W, ...

    That is the deal of :class:`mmisl.InstanceSampler` for views, so features
    are written where they are encoded. Everything but ``local`` is a
    collective call: all ranks make it, each with queries of its own (any
    number, also none), and each gets the answers to its own.

    Args:
        local (Tensor): (N_r, D), the rows of this rank, in ascending order.
        num_rows (int): N.
        shared_queries (bool): Whether all ranks ask the same, as in the
            training of a GAN that is the same everywhere. Then nothing
            but answers travels. Defaults to False.

    Raises:
        ValueError: If ``local`` does not hold as many rows as this rank's
            share of N.
    """

    def __init__(
        self, local: Tensor, num_rows: int, *, shared_queries: bool = False
    ) -> None:
        share = num_local_rows(num_rows)
        if len(local) != share:
            raise ValueError(
                f'rank {get_rank()} of {get_world_size()} holds {share} of '
                f'{num_rows} rows, got {len(local)}'
            )
        self.local = local
        self.num_rows = num_rows
        self.shared_queries = shared_queries

    def __len__(self) -> int:
        return self.num_rows

    @property
    def shape(self) -> torch.Size:
        """(N, D)."""
        return torch.Size([self.num_rows, *self.local.shape[1:]])

    @property
    def dtype(self) -> torch.dtype:
        """Of the rows."""
        return self.local.dtype

    @property
    def device(self) -> torch.device:
        """Of the rows."""
        return self.local.device

    def with_shared_queries(self) -> ShardedRows:
        """The same rows, for calls in which all ranks ask the same."""
        return ShardedRows(self.local, self.num_rows, shared_queries=True)

    def map(self, function: Callable[[Tensor], Tensor]) -> ShardedRows:
        """Apply a function of single rows, (M, D) to (M, D'), to all."""
        return ShardedRows(
            function(self.local),
            self.num_rows,
            shared_queries=self.shared_queries,
        )

    def exchange(self, num_queries: int) -> QueryExchange:
        """How the queries of one call reach all ranks, and the answers back.

        Args:
            num_queries (int): Of this rank.
        """
        return QueryExchange(
            num_queries, self.local.device, shared=self.shared_queries
        )

    def global_rows(self, local_rows: Tensor) -> Tensor:
        """Numbers in [0, N) of local rows, any shape."""
        return local_rows * get_world_size() + get_rank()

    def is_local(self, rows: Tensor) -> Tensor:
        """Which numbers in [0, N) are rows of this rank, any shape."""
        return rows % get_world_size() == get_rank()

    def local_rows(self, rows: Tensor) -> Tensor:
        """Positions in ``local`` of rows of this rank, any shape."""
        return torch.div(rows, get_world_size(), rounding_mode='floor')

    def __getitem__(self, rows: Tensor) -> Tensor:
        """Look rows up, wherever they are.

        Args:
            rows (Tensor): (M,) int64 in [0, N).

        Returns:
            Tensor: (M, D).
        """
        if self.shared_queries:
            own = self.is_local(rows)
            found = self.local.new_zeros(len(rows), *self.local.shape[1:])
            # Disjoint: the sum over the ranks is exact.
            found[own] = self.local[self.local_rows(rows[own])]
            all_reduce(found)
            return found
        owner = rows % get_world_size()
        order = owner.argsort(stable=True)
        counts = torch.bincount(owner, minlength=get_world_size())
        asked = torch.empty_like(counts)
        _all_to_all(asked, counts)
        sent, received = counts.tolist(), asked.tolist()
        wanted = rows.new_empty(sum(received))
        _all_to_all(wanted, self.local_rows(rows[order]), received, sent)
        replies = self.local.new_empty(len(rows), *self.local.shape[1:])
        _all_to_all(replies, self.local[wanted], sent, received)
        found = torch.empty_like(replies)
        found[order] = replies
        return found

    def collect(self, chunk_rows: int = 2**16) -> Tensor | None:
        """Bring the whole matrix to the main rank's host memory.

        Args:
            chunk_rows (int): Rows of all ranks that travel at a time; every
                rank's device holds so many.

        Returns:
            Tensor | None: (N, D) on the CPU of rank 0, None elsewhere.
        """
        world_size, share = get_world_size(), num_local_rows(self.num_rows, 0)
        chunk_rows = max(1, chunk_rows // world_size)  # of each rank
        whole = None
        if get_rank() == 0:
            whole = torch.empty(self.shape, dtype=self.dtype)
        for begin in range(0, share, chunk_rows):
            chunk = self.local[begin : begin + chunk_rows]
            # The last chunk of later ranks may be a row short.
            padded = chunk.new_zeros(
                min(chunk_rows, share - begin), *chunk.shape[1:]
            )
            padded[: len(chunk)] = chunk
            parts = all_gather(padded)
            if whole is None:
                continue
            for rank, part in enumerate(parts):
                first = begin * world_size + rank
                last = min(self.num_rows, (begin + len(part)) * world_size)
                target = whole[first:last:world_size]
                target.copy_(part[: len(target)])
        return whole


def share_queries(rows: Tensor | ShardedRows) -> Tensor | ShardedRows:
    """Prepare a matrix for calls in which all ranks ask the same."""
    if isinstance(rows, ShardedRows):
        return rows.with_shared_queries()
    return rows


def move_rows(
    rows: Tensor | ShardedRows, device: torch.device
) -> Tensor | ShardedRows:
    """A matrix on another device, every rank's own rows where it is sharded.

    Not collective.
    """
    if isinstance(rows, ShardedRows):
        return rows.map(lambda part: part.to(device))
    return rows.to(device)


def all_finite(rows: Tensor | ShardedRows) -> bool:
    """Whether no value is NaN or infinite, on any rank that holds a part."""
    if isinstance(rows, Tensor):
        return bool(torch.isfinite(rows).all())
    finite = torch.isfinite(rows.local).all().float()
    all_reduce(finite, 'min')
    return bool(finite)


class QueryExchange:
    """Brings the queries of all ranks to every rank, and answers back.

    Args:
        num_queries (int): Of this rank.
        device (torch.device): Of what is exchanged.
        shared (bool): Whether all ranks ask the same.
    """

    def __init__(
        self, num_queries: int, device: torch.device, *, shared: bool
    ) -> None:
        self.num_queries = num_queries
        self.shared = shared
        self.counts = [num_queries]
        if not shared:
            count = torch.tensor([num_queries], device=device)
            self.counts = torch.cat(all_gather(count)).tolist()

    def gather(self, queries: Tensor) -> Tensor:
        """(B, ...) of this rank to those of all ranks, in their order."""
        if self.shared:
            return queries
        padded = queries.new_zeros(max(self.counts), *queries.shape[1:])
        padded[: len(queries)] = queries
        parts = all_gather(padded)
        return torch.cat([p[:n] for p, n in zip(parts, self.counts)])

    def back(self, answers: Tensor) -> Tensor:
        """Answers of this rank's rows to all, to all answers to this rank.

        Args:
            answers (Tensor): (B_0 + ... + B_{W-1}, ...) in the order of
                :meth:`gather`.

        Returns:
            Tensor: (W, B, ...), one slice per rank that answered.
        """
        if self.shared:
            return torch.stack(all_gather(answers.contiguous()))
        world_size = get_world_size()
        received = answers.new_empty(
            world_size * self.num_queries, *answers.shape[1:]
        )
        _all_to_all(
            received,
            answers,
            [self.num_queries] * world_size,
            self.counts,
        )
        return received.view(world_size, self.num_queries, *answers.shape[1:])


def num_local_rows(num_rows: int, rank: int | None = None) -> int:
    """How many of N rows a rank holds, by default this one."""
    rank = get_rank() if rank is None else rank
    return len(range(rank, num_rows, get_world_size()))


def _all_to_all(
    received: Tensor,
    sent: Tensor,
    received_counts: list[int] | None = None,
    sent_counts: list[int] | None = None,
) -> None:
    """Torch's all-to-all; a copy where there is no other rank."""
    if get_world_size() == 1:
        received.copy_(sent)
        return
    dist.all_to_all_single(
        received, sent.contiguous(), received_counts, sent_counts
    )
