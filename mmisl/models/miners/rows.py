"""Matrices with a row per sample, and how ranks share them out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from mmengine.dist import all_reduce, get_rank, get_world_size
from torch import Tensor

from mmisl.ops import ShardedRows
from mmisl.progress import track

# A matrix of one row per sample, on every rank or dealt out over them.
Rows = Tensor | ShardedRows
# Several of them; a tensor (V, N, D) is one as well.
Views = Tensor | Sequence[Rows]


def mean_view(views: Views) -> Rows:
    """Mean of the views of every sample, (N, D), norm 1; half is widened."""
    shards = [view for view in views if isinstance(view, ShardedRows)]
    if shards:
        mean = unit_mean([view.local for view in shards])
        return ShardedRows(mean, len(shards[0]))
    return unit_mean([view for view in views if isinstance(view, Tensor)])


def unit_mean(views: Sequence[Tensor]) -> Tensor:
    """Mean of V tensors (M, D), norm 1; half is widened."""
    first = views[0]
    dtype = torch.promote_types(first.dtype, torch.float32)
    total = torch.zeros_like(first, dtype=dtype)
    for view in views:
        total += view
    return torch.nn.functional.normalize(total / len(views), dim=-1)


def own_chunks(
    num_samples: int,
    chunk_rows: int,
    device: torch.device,
    *,
    description: str,
) -> Iterator[tuple[int, Tensor]]:
    """Share the samples out over the ranks, by the chunk.

    All ranks take equally many steps, because what is done with a chunk may
    need all of them; the last chunk of a rank may be empty.

    Args:
        num_samples (int): N.
        chunk_rows (int): Samples of a chunk.
        device (torch.device): Of the sample indices.
        description (str): Of what is done with them, for the progress bar.

    Yields:
        tuple[int, Tensor]: Number of the chunk, the same for any number of
        ranks, and its samples, (B,) int64.
    """
    step = chunk_rows * get_world_size()
    for begin in track(range(0, num_samples, step), description):
        begin = min(begin + get_rank() * chunk_rows, num_samples)
        end = min(begin + chunk_rows, num_samples)
        yield begin // chunk_rows, torch.arange(begin, end, device=device)


def seeded_generator(device: torch.device, *key: int) -> torch.Generator:
    """Random numbers of a purpose of their own.

    Args:
        device (torch.device): Of the numbers.
        *key (int): A mining's seed and counters, >= 0. With the number of a
            chunk of :func:`own_chunks` the numbers do not depend on the
            ranks.
    """
    seed = int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0])
    return torch.Generator(device=device).manual_seed(seed % 2**63)


def gather_rows(rows: Tensor, values: Tensor, num_samples: int) -> Tensor:
    """Put together what the ranks found for their own samples.

    Args:
        rows (Tensor): (M,) int64, samples of this rank; each has one rank.
        values (Tensor): (M, ...) numbers of them.
        num_samples (int): N.

    Returns:
        Tensor: (N, ...) on every rank.
    """
    table = values.new_zeros(num_samples, *values.shape[1:])
    table[rows] = values
    all_reduce(table)  # exact: all but one of the terms are 0
    return table
