"""Triton kernels of :mod:`mmisl.ops.bank_softmax_triton`, which starts them.

A program takes a block of the batch and one split of the bank, streams the
split's rows and keeps its largest logit, sum of weights and weighted sums of
rows. Logits exist on the chip only. There are no atomics: the same inputs give
the same bits.

Precision: every ``tl.dot`` is ``input_precision='ieee'``, float32 products and
sums; a half bank is widened as it is read. TF32, which would drop 13 bits of
each factor, is never used: the logits reach 1 / T, and the divergence is a
small difference of log-sum-exps of that size.
"""

from __future__ import annotations

try:
    import triton
    import triton.language as tl
except ImportError as error:
    raise ImportError(
        "backend='triton' needs the package triton, which comes with the CUDA "
        "builds of torch on Linux; use backend='torch'"
    ) from error


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
def _weigh(logits, top, total):
    """Weights of a tile, what older ones shrink by, new top and total."""
    new_top = tl.maximum(top, tl.max(logits, 1))
    rescale = tl.exp2(top - new_top)
    weights = tl.exp2(logits - new_top[:, None])
    return weights, rescale, new_top, total * rescale + tl.sum(weights, 1)


@triton.jit
def forward_kernel(
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
        weights, rescale, top, total = _weigh(logits, top, total)
        if with_mean:
            weighted = weighted * rescale[:, None]
            weighted += tl.dot(weights, rows, input_precision='ieee')
    # Results of a split lie behind one another: (splits, B) and (splits, B, D)
    inside = queries < batch
    tl.store(top_ptr + split * batch + queries, top, mask=inside)
    tl.store(total_ptr + split * batch + queries, total, mask=inside)
    if with_mean:
        part = sum_ptr + split.to(tl.int64) * batch * feat_dim
        _store(part, weighted, queries, batch, feat_dim, padded_dim)


@triton.jit
def kl_kernel(
    scaled_ptr,
    target_ptr,
    bank_ptr,
    scalar_ptr,
    sum_ptr,
    batch,
    num_samples,
    split_rows: tl.constexpr,
    feat_dim: tl.constexpr,
    padded_dim: tl.constexpr,
    block_batch: tl.constexpr,
    block_rows: tl.constexpr,
):
    """As :func:`forward_kernel`, for two queries and two weighted sums."""
    split = tl.program_id(1)
    queries = tl.program_id(0) * block_batch + tl.arange(0, block_batch)
    scaled = _load(scaled_ptr, queries, batch, feat_dim, padded_dim)
    target = _load(target_ptr, queries, batch, feat_dim, padded_dim)
    top = tl.full((block_batch,), float('-inf'), tl.float32)
    target_top = tl.full((block_batch,), float('-inf'), tl.float32)
    total = tl.zeros((block_batch,), tl.float32)
    target_total = tl.zeros((block_batch,), tl.float32)
    slope = tl.zeros((block_batch,), tl.float32)
    weighted = tl.zeros((block_batch, padded_dim), tl.float32)
    tilted = tl.zeros((block_batch, padded_dim), tl.float32)
    first = split * split_rows
    last = tl.minimum(first + split_rows, num_samples)
    for step in range(0, split_rows, block_rows):
        samples = first + step + tl.arange(0, block_rows)
        rows = _load(bank_ptr, samples, last, feat_dim, padded_dim)
        own = tl.dot(scaled, tl.trans(rows), input_precision='ieee')
        other = tl.dot(target, tl.trans(rows), input_precision='ieee')
        # Before the mask: -inf less -inf would be no number.
        slopes = own - other
        inside = samples[None, :] < last
        own = tl.where(inside, own, float('-inf'))
        other = tl.where(inside, other, float('-inf'))
        _, _, target_top, target_total = _weigh(
            other, target_top, target_total
        )
        weights, rescale, top, total = _weigh(own, top, total)
        slopes = weights * slopes
        slope = slope * rescale + tl.sum(slopes, 1)
        weighted = weighted * rescale[:, None]
        weighted += tl.dot(weights, rows, input_precision='ieee')
        tilted = tilted * rescale[:, None]
        tilted += tl.dot(slopes, rows, input_precision='ieee')
    # (5, splits, B) and (2, splits, B, D)
    inside = queries < batch
    stride = tl.num_programs(1) * batch
    part = scalar_ptr + split * batch + queries
    tl.store(part, top, mask=inside)
    tl.store(part + stride, total, mask=inside)
    tl.store(part + 2 * stride, target_top, mask=inside)
    tl.store(part + 3 * stride, target_total, mask=inside)
    tl.store(part + 4 * stride, slope, mask=inside)
    part = sum_ptr + split.to(tl.int64) * batch * feat_dim
    _store(part, weighted, queries, batch, feat_dim, padded_dim)
    part += tl.num_programs(1).to(tl.int64) * batch * feat_dim
    _store(part, tilted, queries, batch, feat_dim, padded_dim)


@triton.jit
def backward_kernel(
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
