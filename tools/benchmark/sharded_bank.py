"""What a rank holds, receives and computes per step, replicated and sharded.

Runs the ISL loss forward and backward and the update of the bank on gloo
processes of this machine, with the same global batch for any number of ranks.
Bytes are counted at torch.distributed, so they hold for any backend; a ring is
assumed for all-reduce. Seconds are of processes that share this machine's
cores: compare those of one number of ranks only.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
import torch.nn.functional as F
from measure import report, time_side_by_side
from torch import Tensor

from mmisl.models.heads import ISLHead
from mmisl.models.memories import MemoryBank
from mmisl.structures import NeighborGraph


class ReceivedBytes:
    """Counts what this rank receives from others."""

    def __init__(self) -> None:
        self.total = 0
        self._wrap('all_gather', lambda parts, part: _size(parts[1:]))
        self._wrap('all_to_all_single', self._all_to_all)
        self._wrap('all_reduce', self._all_reduce)

    def _wrap(self, name: str, received: Callable) -> None:
        original = getattr(dist, name)

        def counted(*args, **kwargs):
            self.total += received(*args[:2])
            return original(*args, **kwargs)

        setattr(dist, name, counted)

    @staticmethod
    def _all_to_all(received: Tensor, sent: Tensor) -> float:
        # Shares are equal but for the last rows: a W-th stays here.
        return _size([received]) * (1 - 1 / dist.get_world_size())

    @staticmethod
    def _all_reduce(value: Tensor, *operation: object) -> float:
        return 2 * _size([value]) * (1 - 1 / dist.get_world_size())


def _size(tensors: list[Tensor]) -> int:
    return sum(tensor.nbytes for tensor in tensors)


def random_graph(num_samples: int, degree: int) -> NeighborGraph:
    """Each sample asks for ``degree / 2`` others."""
    generator = torch.Generator().manual_seed(2)
    graph = NeighborGraph(num_samples)
    num_edges = num_samples * degree // 2
    ends = torch.randint(num_samples, (2, num_edges), generator=generator)
    graph.add_edges(ends[0], ends[1])
    return graph


def run_rank(
    rank: int, world_size: int, sharded: bool, args: argparse.Namespace
) -> None:
    """Measure one layout; rank 0 leaves the row of the table in a file."""
    torch.set_num_threads(1)
    dist.init_process_group(
        'gloo',
        f'file://{args.folder}/store',
        rank=rank,
        world_size=world_size,
    )
    received = ReceivedBytes()
    memory = MemoryBank(args.num_samples, args.dim, sharded=sharded)
    graph = random_graph(args.num_samples, args.degree)
    head = ISLHead()
    generator = torch.Generator().manual_seed(1)
    share = args.batch // world_size
    sample_idx = torch.randperm(args.num_samples, generator=generator)
    sample_idx = sample_idx[: args.batch][rank * share :][:share]
    feats = F.normalize(torch.randn(args.batch, args.dim, generator=generator))
    feats = feats[rank * share :][:share].clone().requires_grad_()

    def step() -> None:
        feats.grad = None
        losses = head.loss(feats, sample_idx, graph, memory.rows)
        torch.stack(list(losses.values())).sum().backward()
        memory.defer_update(sample_idx, feats)
        memory.apply_update()

    before = received.total
    step()
    num_bytes = received.total - before
    timing = time_side_by_side(dict(step=step), repeats=args.repeats)['step']
    if rank == 0:
        torch.save(
            {
                'ranks': world_size,
                'layout': 'sharded' if sharded else 'replicated',
                'rows of a rank': len(memory.bank),
                'bank of a rank, MB': memory.bank.nbytes / 1e6,
                'received in a step, MB': num_bytes / 1e6,
                'per query, KB': num_bytes / 1e3 / args.batch,
                'step, s': timing.median,
            },
            f'{args.folder}/row.pth',
        )
    dist.destroy_process_group()


def main() -> None:
    """Measure every layout in processes of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--num-samples', type=int, default=200_000)
    parser.add_argument('--dim', type=int, default=128)
    parser.add_argument('--batch', type=int, default=64, help='of all ranks')
    parser.add_argument('--degree', type=int, default=4)
    parser.add_argument('--ranks', type=int, nargs='+', default=[1, 2, 4])
    parser.add_argument('--repeats', type=int, default=5)
    parser.add_argument('--out', type=Path)
    args = parser.parse_args()
    rows = []
    for world_size in args.ranks:
        for sharded in (False, True):
            with tempfile.TemporaryDirectory() as folder:
                args.folder = folder
                mp.spawn(
                    run_rank, (world_size, sharded, args), nprocs=world_size
                )
                rows.append(torch.load(f'{folder}/row.pth'))
    report(
        f'ISL loss and bank update, N = {args.num_samples:,}, D = {args.dim}, '
        f'global batch {args.batch}',
        rows,
        out=args.out,
    )


if __name__ == '__main__':
    main()
