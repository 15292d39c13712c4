"""The passes of ``bank_softmax`` as Triton kernels, for CUDA.

The bank is dealt out over programs, see :mod:`mmisl.ops.bank_softmax_kernels`,
and what they return is merged exactly, on the device and in a fixed order.

NEVER RUN ON A GPU. Triton's interpreter computes the same numbers as the torch
passes, and the kernels compile for compute capability 8.0, 8.6 and 9.0 within
their shared memory; nothing is known of their speed. Run
``tools/benchmark/gpu_checks.py`` before switching them on, with
``backend='triton'`` or ``--cfg-options model.head.backend=triton``.

Precision: float32 products and sums, never TF32.
"""

from __future__ import annotations

import torch
from torch import Tensor

# First, as it says what to do without Triton.
from .bank_softmax_kernels import (  # isort: skip
    backward_kernel,
    forward_kernel,
    kl_kernel,
)
import triton

from .softmax_passes import LOG2_E, KLParts

MAX_DIM = 512
# Several programs for each multiprocessor of any GPU of today.
MAX_PROGRAMS = 1024
BANK_DTYPES = (torch.float32, torch.bfloat16, torch.float16)


def forward_pass(
    feats: Tensor, bank: Tensor, temperature: float
) -> tuple[Tensor, Tensor]:
    """As :func:`mmisl.ops.softmax_passes.forward_pass`.

    Raises:
        RuntimeError: If the tensors are not on a GPU.
        TypeError: If ``feats`` is not float32 or ``bank`` of another type.
        ValueError: If D exceeds 512.
    """
    return _forward(feats, bank, temperature, with_mean=True)


def logsumexp_pass(feats: Tensor, bank: Tensor, temperature: float) -> Tensor:
    """As :func:`mmisl.ops.softmax_passes.logsumexp_pass`; raises alike."""
    return _forward(feats, bank, temperature, with_mean=False)[0]


def kl_pass(
    feats: Tensor, targets: Tensor, bank: Tensor, temperature: float
) -> KLParts:
    """As :func:`mmisl.ops.softmax_passes.kl_pass`; raises alike.

    Four matrix products, as there. A program holds two queries and two sums
    of (block, D) each, so its block is smaller than in the other passes.
    """
    _check(feats, bank)
    if len(feats) == 0 or len(bank) == 0:
        nothing = feats.new_full((len(feats),), -torch.inf)
        zero = torch.zeros_like(feats)
        return KLParts(nothing, nothing, zero.sum(1, keepdim=True), zero, zero)
    plan = _Plan(feats, bank, num_sums=2)
    scalars = feats.new_empty(5, plan.num_splits, len(feats))
    parts = feats.new_empty(2, plan.num_splits, *feats.shape)
    kl_kernel[plan.grid](
        (feats * (LOG2_E / temperature)).contiguous(),
        (targets * (LOG2_E / temperature)).contiguous(),
        bank.contiguous(),
        scalars,
        parts,
        **plan.arguments,
    )
    top, total, target_top, target_total, slope = scalars
    lse, share = _merge(top, total)
    mean, tilted = parts.mul_(share.unsqueeze(2)).sum(1)
    return KLParts(
        lse=lse,
        target_lse=_merge(target_top, target_total)[0],
        slope=(slope * share).sum(0).unsqueeze(1) / LOG2_E,
        mean=mean,
        tilted=tilted / LOG2_E,
    )


def backward_pass(
    feats: Tensor,
    bank: Tensor,
    temperature: float,
    *,
    lse: Tensor,
    grad_mean: Tensor,
    centre: Tensor,
) -> Tensor:
    """As :func:`mmisl.ops.softmax_passes.backward_pass`; raises alike."""
    _check(feats, bank)
    if len(feats) == 0 or len(bank) == 0:
        return torch.zeros_like(feats)
    plan = _Plan(feats, bank)
    parts = feats.new_empty(plan.num_splits, *feats.shape)
    backward_kernel[plan.grid](
        (feats * (LOG2_E / temperature)).contiguous(),
        bank.contiguous(),
        (lse * LOG2_E).contiguous(),
        grad_mean.contiguous(),
        centre.contiguous(),
        parts,
        **plan.arguments,
    )
    return parts.sum(0)


def _forward(
    feats: Tensor, bank: Tensor, temperature: float, *, with_mean: bool
) -> tuple[Tensor, Tensor]:
    """Log-sum-exp (B,) and mean (B, D), the latter 0 unless asked for."""
    _check(feats, bank)
    if len(feats) == 0 or len(bank) == 0:
        lse = feats.new_full((len(feats),), -torch.inf)
        return lse, torch.zeros_like(feats)
    plan = _Plan(feats, bank)
    top = feats.new_empty(plan.num_splits, len(feats))
    total = torch.empty_like(top)
    parts = feats.new_empty(plan.num_splits if with_mean else 0, *feats.shape)
    forward_kernel[plan.grid](
        (feats * (LOG2_E / temperature)).contiguous(),
        bank.contiguous(),
        top,
        total,
        parts,
        with_mean=with_mean,
        **plan.arguments,
    )
    lse, share = _merge(top, total)
    if not with_mean:
        return lse, torch.zeros_like(feats)
    return lse, parts.mul_(share.unsqueeze(2)).sum(0)


def _merge(top: Tensor, total: Tensor) -> tuple[Tensor, Tensor]:
    """Merge splits exactly, given their tops and totals (splits, B).

    Returns:
        tuple[Tensor, Tensor]: Log-sum-exp (B,), and by how much a split's
        sums weigh (splits, B).
    """
    # Every split has a row, so no top is -inf.
    whole_top = top.amax(0)
    rescale = (top - whole_top).exp2()
    whole = (total * rescale).sum(0)
    return (whole_top + whole.log2()) / LOG2_E, rescale / whole


class _Plan:
    """How the work is cut into programs.

    Attributes:
        num_splits (int): Parts of the bank, none of them empty.
        grid (tuple[int, int]): Blocks of the batch, splits of the bank.
        arguments (dict[str, int]): What all kernels take.
    """

    def __init__(
        self, feats: Tensor, bank: Tensor, *, num_sums: int = 1
    ) -> None:
        batch, feat_dim = feats.shape
        padded_dim = max(16, triton.next_power_of_2(feat_dim))
        tile = tile_options(padded_dim, num_sums)
        block_batch, block_rows = tile['block_batch'], tile['block_rows']
        num_blocks = triton.cdiv(batch, block_batch)
        most = max(1, MAX_PROGRAMS // num_blocks)
        steps = triton.cdiv(triton.cdiv(len(bank), most), block_rows)
        # A constant of the kernel, because the interpreter cannot loop up to
        # an argument; a power of 2, or each other N or B would compile anew.
        split_rows = triton.next_power_of_2(steps) * block_rows
        self.num_splits = triton.cdiv(len(bank), split_rows)
        self.grid = (num_blocks, self.num_splits)
        self.arguments = dict(
            batch=batch,
            num_samples=len(bank),
            split_rows=split_rows,
            feat_dim=feat_dim,
            padded_dim=padded_dim,
            **tile,
        )


def tile_options(padded_dim: int, num_sums: int = 1) -> dict[str, int]:
    """Queries and rows of the bank in a tile, fewer the wider they are.

    Chosen by what the compiler reports for compute capability 8.0, 8.6 and
    9.0: shared memory within the 99 KiB of 8.6, and registers. Thousands of
    bytes of those spill in the forward pass over a bf16 bank at D = 128 and
    256, and none in the pass of the divergence, whose two sums and two
    queries take half a block.

    Args:
        padded_dim (int): Width, a power of 2.
        num_sums (int): Weighted sums that a program holds, 1 or 2.

    Returns:
        dict[str, int]: ``block_batch`` and ``block_rows``, and how the kernel
        is launched.
    """
    launch = dict(num_warps=8, num_stages=2)
    if padded_dim <= 128:
        return dict(block_batch=64 // num_sums, block_rows=32, **launch)
    if padded_dim <= 256:
        return dict(block_batch=32 // num_sums, block_rows=16, **launch)
    # A second tile on its way would not fit.
    return dict(block_batch=16, block_rows=16, num_warps=8, num_stages=1)


def _check(feats: Tensor, bank: Tensor) -> None:
    if not feats.is_cuda and not triton.knobs.runtime.interpret:
        raise RuntimeError(
            "backend='triton' needs CUDA tensors, got feats on "
            f"{feats.device}; use backend='torch'"
        )
    if feats.dtype != torch.float32 or bank.dtype not in BANK_DTYPES:
        raise TypeError(
            "backend='triton' takes float32 feats and a float32, bfloat16 or "
            f'float16 bank, got {feats.dtype} and {bank.dtype}; use '
            "backend='torch'"
        )
    if feats.shape[1] > MAX_DIM:
        raise ValueError(
            f"backend='triton' holds feats up to {MAX_DIM} wide, got "
            f"{feats.shape[1]}; use backend='torch'"
        )
