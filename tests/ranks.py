"""The same function on 1, 2 or 4 gloo processes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from warm_processes import process_context


def run_on_ranks(
    function: Callable[[], object], world_size: int, folder: Path
) -> list:
    """Result of every rank; tensors, numbers, lists and dicts of such.

    Args:
        function (Callable): Of a module, without arguments.
        world_size (int): Number of processes; 1 starts none and no group.
        folder (Path): For results; empty.
    """
    if world_size == 1:
        return [function()]
    process_context()  # whose server has imported what is slow
    mp.start_processes(
        _run,
        (function, world_size, str(folder)),
        nprocs=world_size,
        start_method='forkserver',
    )
    return [
        torch.load(folder / f'{rank}.pth', weights_only=True)
        for rank in range(world_size)
    ]


def _run(rank, function, world_size, folder):
    torch.set_num_threads(1)
    dist.init_process_group(
        'gloo',
        f'file://{folder}/store',
        rank=rank,
        world_size=world_size,
    )
    torch.save(function(), f'{folder}/{rank}.pth')
    dist.destroy_process_group()
