"""The batch of all ranks, in the order in which one process would have it."""

from __future__ import annotations

import torch
from mmengine.dist import all_gather, get_rank, get_world_size
from torch import Tensor


def gather_batch(batch: Tensor) -> Tensor:
    """Put the shares of all ranks together again.

    :class:`mmisl.InstanceSampler` deals samples out in turn, so row i of rank
    r of W is row i * W + r of the whole.

    Args:
        batch (Tensor): (B, ...), B the same on all ranks.

    Returns:
        Tensor: (B * W, ...), the same on all ranks.
    """
    if get_world_size() == 1:
        return batch
    return torch.stack(all_gather(batch.contiguous()), 1).flatten(0, 1)


@torch.no_grad()
def shuffle_batch(batch: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Deal the batch of all ranks out anew, in a random order.

    For MoCo's keys: statistics of a rank's batch would otherwise tell which
    keys belong to its queries. (CVPR 2020, section 3.3.)

    # Deviates from the authors' code, where rank 0 draws the order and tells
    # the others: here all draw the same.

    Args:
        batch (Tensor): (B, ...), B the same on all ranks.
        seed (int): Of the order, the same on all ranks.

    Returns:
        tuple[Tensor, Tensor]: This rank's share (B, ...), and the order
        (B * W,) int64, on the host, for :func:`unshuffle_batch`.
    """
    whole = gather_batch(batch)
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(whole), generator=generator)
    return _own_share(whole, order), order


@torch.no_grad()
def unshuffle_batch(batch: Tensor, order: Tensor) -> Tensor:
    """Give every rank the rows of its own batch back.

    Args:
        batch (Tensor): (B, ...), what was computed from a shuffled share.
        order (Tensor): (B * W,) int64, of :func:`shuffle_batch`.

    Returns:
        Tensor: (B, ...).
    """
    return _own_share(gather_batch(batch), order.argsort())


def _own_share(whole: Tensor, order: Tensor) -> Tensor:
    own = order[get_rank() :: get_world_size()]
    if whole.is_cuda:
        own = own.pin_memory()
    return whole[own.to(whole.device, non_blocking=True)]
