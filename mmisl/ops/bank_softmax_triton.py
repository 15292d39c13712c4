"""The passes of ``bank_softmax`` as Triton kernels, for CUDA.

A program takes a block of the batch and one split of the bank, streams the
split's rows and keeps its largest logit, sum of weights and weighted sum of
rows; the splits are merged on the device. Logits exist on the chip only.
There are no atomics: the same inputs give the same bits.

NEVER RUN ON A GPU. Triton's interpreter computes the same numbers as the torch
passes, and the kernels compile for compute capability 8.0, 8.6 and 9.0 within
their shared memory; nothing is known of their speed. Switch them on
with ``bank_softmax(..., backend='triton')`` and compare with
``tools/benchmark/bank_loss.py`` first.

Precision: float32 products and sums; a half bank is widened as it is read.
TF32, which would drop 13 bits of each factor, is never used.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

try:
    import triton
    import triton.language as tl
except ImportError as error:
    raise ImportError(
        "backend='triton' needs the package triton, which comes with the CUDA "
        "builds of torch on Linux; use backend='torch'"
    ) from error

LOG2_E = 1 / math.log(2)
MAX_DIM = 512
# Several programs for each multiprocessor of any GPU of today.
MAX_PROGRAMS = 1024
LAUNCH = dict(num_warps=8, num_stages=2)
BANK_DTYPES = (torch.float32, torch.bfloat16, torch.float16)


@triton.jit
def _load(
    pointer,
    rows,
    num_rows,
    feat_dim: tl.constexpr,
    padded_dim: tl.constexpr,
):
    """Rows of a contiguous (num_rows, feat_dim) matrix, float32, 0 outside."""
    columns = tl.arange(0, padded_dim)
    inside = (rows[:, None] < num_rows) & (columns[None, :] < feat_dim)
    # N x D exceeds 32 bits.
    offsets = rows[:, None].to(tl.int64) * feat_dim + columns[None, :]
    return tl.load(pointer + offsets, mask=inside, other=0.0).to(tl.float32)


@triton.jit
def _store(
    pointer,
    values,
    rows,
    num_rows,
    feat_dim: tl.constexpr,
    padded_dim: tl.constexpr,
):
    """Write what :func:`_load` reads."""
    columns = tl.arange(0, padded_dim)
    inside = (rows[:, None] < num_rows) & (columns[None, :] < feat_dim)
    offsets = rows[:, None].to(tl.int64) * feat_dim + columns[None, :]
    tl.store(pointer + offsets, values, mask=inside)


@triton.jit
def _forward_kernel(
    scaled_ptr,
    bank_ptr,
    top_ptr,
    total_ptr,
    sum_ptr,
    batch,
    num_samples,
    split_rows: tl.constexpr,
    feat_dim: tl.constexpr,
    padded_dim: tl.constexpr,
    block_batch: tl.constexpr,
    block_rows: tl.constexpr,
    with_mean: tl.constexpr,
):
    """Online softmax in base 2 over one split, not yet normalised."""
    split = tl.program_id(1)
    queries = tl.program_id(0) * block_batch + tl.arange(0, block_batch)
    scaled = _load(scaled_ptr, queries, batch, feat_dim, padded_dim)
    top = tl.full((block_batch,), float('-inf'), tl.float32)
    total = tl.zeros((block_batch,), tl.float32)
    weighted = tl.zeros((block_batch, padded_dim), tl.float32)
    first = split * split_rows
    last = tl.minimum(first + split_rows, num_samples)
    for step in range(0, split_rows, block_rows):
        samples = first + step + tl.arange(0, block_rows)
        rows = _load(bank_ptr, samples, last, feat_dim, padded_dim)
        logits = tl.dot(scaled, tl.trans(rows), input_precision='ieee')
        logits = tl.where(samples[None, :] < last, logits, float('-inf'))
        new_top = tl.maximum(top, tl.max(logits, 1))
        rescale = tl.exp2(top - new_top)
        weights = tl.exp2(logits - new_top[:, None])
        total = total * rescale + tl.sum(weights, 1)
        if with_mean:
            weighted = weighted * rescale[:, None]
            weighted += tl.dot(weights, rows, input_precision='ieee')
        top = new_top
    # Results of a split lie behind one another: (splits, B) and (splits, B, D)
    inside = queries < batch
    tl.store(top_ptr + split * batch + queries, top, mask=inside)
    tl.store(total_ptr + split * batch + queries, total, mask=inside)
    if with_mean:
        part = sum_ptr + split.to(tl.int64) * batch * feat_dim
        _store(part, weighted, queries, batch, feat_dim, padded_dim)


@triton.jit
def _backward_kernel(
    scaled_ptr,
    bank_ptr,
    offset_ptr,
    grad_mean_ptr,
    centre_ptr,
    sum_ptr,
    batch,
    num_samples,
    split_rows: tl.constexpr,
    feat_dim: tl.constexpr,
    padded_dim: tl.constexpr,
    block_batch: tl.constexpr,
    block_rows: tl.constexpr,
):
    """Weighted rows of one split, weights computed again from the sum."""
    split = tl.program_id(1)
    queries = tl.program_id(0) * block_batch + tl.arange(0, block_batch)
    inside = queries < batch
    scaled = _load(scaled_ptr, queries, batch, feat_dim, padded_dim)
    grad_mean = _load(grad_mean_ptr, queries, batch, feat_dim, padded_dim)
    offset = tl.load(offset_ptr + queries, mask=inside, other=0.0)
    centre = tl.load(centre_ptr + queries, mask=inside, other=0.0)
    weighted = tl.zeros((block_batch, padded_dim), tl.float32)
    first = split * split_rows
    last = tl.minimum(first + split_rows, num_samples)
    for step in range(0, split_rows, block_rows):
        samples = first + step + tl.arange(0, block_rows)
        # Rows outside are 0, so whatever weight they get adds nothing.
        rows = _load(bank_ptr, samples, last, feat_dim, padded_dim)
        logits = tl.dot(scaled, tl.trans(rows), input_precision='ieee')
        slopes = tl.dot(grad_mean, tl.trans(rows), input_precision='ieee')
        prob = tl.exp2(logits - offset[:, None])
        prob = tl.where(samples[None, :] < last, prob, 0.0)
        weights = prob * (slopes - centre[:, None])
        weighted += tl.dot(weights, rows, input_precision='ieee')
    part = sum_ptr + split.to(tl.int64) * batch * feat_dim
    _store(part, weighted, queries, batch, feat_dim, padded_dim)


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
    _backward_kernel[plan.grid](
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
    _forward_kernel[plan.grid](
        (feats * (LOG2_E / temperature)).contiguous(),
        bank.contiguous(),
        top,
        total,
        parts,
        with_mean=with_mean,
        **plan.arguments,
    )
    # Every split has a row, so no top is -inf.
    rescale = (top - top.amax(0)).exp2()  # (splits, B)
    whole = (total * rescale).sum(0)
    lse = (top.amax(0) + whole.log2()) / LOG2_E
    if not with_mean:
        return lse, torch.zeros_like(feats)
    return lse, parts.mul_((rescale / whole).unsqueeze(2)).sum(0)


class _Plan:
    """How the work is cut into programs.

    Attributes:
        num_splits (int): Parts of the bank, none of them empty.
        grid (tuple[int, int]): Blocks of the batch, splits of the bank.
        arguments (dict[str, int]): Sizes that both kernels take.
    """

    def __init__(self, feats: Tensor, bank: Tensor) -> None:
        batch, feat_dim = feats.shape
        padded_dim = max(16, triton.next_power_of_2(feat_dim))
        block_batch, block_rows = block_sizes(padded_dim)
        num_blocks = triton.cdiv(batch, block_batch)
        most = max(1, MAX_PROGRAMS // num_blocks)
        steps = triton.cdiv(triton.cdiv(len(bank), most), block_rows)
        split_rows = steps * block_rows
        self.num_splits = triton.cdiv(len(bank), split_rows)
        self.grid = (num_blocks, self.num_splits)
        self.arguments = dict(
            batch=batch,
            num_samples=len(bank),
            split_rows=split_rows,
            feat_dim=feat_dim,
            padded_dim=padded_dim,
            block_batch=block_batch,
            block_rows=block_rows,
            **LAUNCH,
        )


def block_sizes(padded_dim: int) -> tuple[int, int]:
    """Queries and rows of the bank in a tile, fewer the wider they are.

    Chosen by what the compiler reports for compute capability 8.0, 8.6 and
    9.0: at most 97 KiB of shared memory. Registers spill in the forward pass
    over a bf16 bank at D = 128 (8.6, 9.0) and in the backward pass at 512.
    """
    if padded_dim <= 128:
        return 64, 32
    return (32, 16) if padded_dim <= 256 else (16, 16)


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
