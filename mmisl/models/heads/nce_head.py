"""Loss of instance discrimination against sampled negatives."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from mmengine.dist import all_reduce
from mmengine.model import BaseModule
from mmpretrain.structures import DataSample
from torch import Tensor
from torch.nn.functional import softplus

from mmisl.ops import ShardedRows, draw_uniform
from mmisl.registry import MODELS

from ..data_preprocessors import draw_keys

# Word that keeps these draws apart from those of the augmentation.
_PURPOSE = 0x4E4345
# Values of the bank looked up at a time.
_VALUES_AT_ONCE = 2**24


@MODELS.register_module()
class NCEHead(BaseModule):
    r"""Noise-contrastive estimate of the softmax over the bank.

    With :math:`P_j = e^{f_i \cdot v_j / \tau} / Z`, K negatives drawn
    uniformly from all N rows with replacement (the sample itself is one of
    them now and then), and :math:`c = K / N + \epsilon`,

    .. math::
        L_i = -\log \frac{P_i}{P_i + c}
              - \sum_k \log \frac{K / N}{P_{j_k} + c}

    Z is a constant, N times the mean of :math:`e^{f \cdot v / \tau}` over the
    sample and its negatives of the first batch. Source: Wu et al., CVPR 2018,
    eq. 8; the authors' code, ``NCEAverage.py`` and ``NCECriterion.py``.

    The exact loss of :class:`mmisl.NPIDHead` is cheaper than it looks: K
    negatives of their own for every sample are K D values looked up twice,
    where the streamed softmax reads each row once for the whole batch.

    Args:
        temperature (float): tau > 0. Defaults to 0.07.
        num_negatives (int): K >= 1. Defaults to 4096.

    Attributes:
        normalizer (Tensor): () float64, Z / N; 0 before the first batch.

    Raises:
        ValueError: If an argument is out of range.
    """

    normalizer: Tensor
    eps = 1e-7

    def __init__(
        self, temperature: float = 0.07, num_negatives: int = 4096
    ) -> None:
        super().__init__()
        if temperature <= 0:
            raise ValueError(f'temperature must be > 0, got {temperature}')
        if num_negatives < 1:
            raise ValueError(
                f'num_negatives must be >= 1, got {num_negatives}'
            )
        self.temperature = temperature
        self.num_negatives = num_negatives
        # Double: exp(1 / 0.01) is beyond single precision.
        self.register_buffer(
            'normalizer', torch.zeros((), dtype=torch.float64)
        )
        # Of this very buffer the host knows that it is set, and need not ask.
        self._is_set = False

    def loss(
        self,
        feats: Tensor,
        sample_idx: Tensor,
        bank: Tensor | ShardedRows,
        data_samples: Sequence[DataSample],
    ) -> dict[str, Tensor]:
        """Mean over the batch.

        Args:
            feats (Tensor): (B, D) float, norm 1, with gradient. Half
                precision is computed in float32.
            sample_idx (Tensor): (B,) int64 in [0, N).
            bank (Tensor | ShardedRows): (N, D) float, norm 1, no gradient.
                With shards all ranks call this together, also with B = 0.
            data_samples (Sequence[DataSample]): Of the same images; what is
                drawn depends on their ``draw_key`` alone.

        Returns:
            dict[str, Tensor]: Scalar ``loss_instance``, 0 for B = 0.
        """
        with torch.autocast(feats.device.type, enabled=False):
            if feats.dtype in (torch.float16, torch.bfloat16):
                feats = feats.float()
            sample_idx = sample_idx.to(feats.device, non_blocking=True)
            drawn = self._draw(data_samples, len(bank), feats.device)
            rows = torch.cat([sample_idx.unsqueeze(1), drawn], 1)
            logits = _DrawnProducts.apply(feats, bank, rows) / self.temperature
            self._set_normalizer(logits.detach())
            # P_j over c, by its logarithm.
            share = self.num_negatives / len(bank)
            log_c = math.log(share + self.eps)
            log_z = (self.normalizer * len(bank)).log().to(logits.dtype)
            ratio = logits - log_z - log_c
            own = softplus(-ratio[:, 0])
            others = softplus(ratio[:, 1:]) + log_c - math.log(share)
            total = own.sum() + others.sum()
            return dict(loss_instance=total / max(len(feats), 1))

    def _draw(
        self,
        data_samples: Sequence[DataSample],
        num_rows: int,
        device: torch.device,
    ) -> Tensor:
        """(B, K) int64, rows drawn for each sample."""
        if not len(data_samples):
            return torch.zeros(
                0, self.num_negatives, dtype=torch.int64, device=device
            )
        keys = draw_keys(data_samples)
        purpose = keys.new_full((len(keys), 1), _PURPOSE)
        keys = torch.cat([keys, purpose], 1)
        if device.type == 'cuda':
            keys = keys.pin_memory()
        uniform = draw_uniform(
            keys.to(device, non_blocking=True), self.num_negatives
        )
        return (uniform * num_rows).long().clamp_max(num_rows - 1)

    @torch.no_grad()
    def _set_normalizer(self, logits: Tensor) -> None:
        """Fix Z by the first batch of all ranks; later do nothing."""
        if self._is_set:
            return
        if self.normalizer == 0:  # not loaded either
            values = torch.stack(
                [
                    logits.double().exp().sum(),
                    logits.new_tensor(logits.numel(), dtype=torch.float64),
                ]
            )
            all_reduce(values)
            self.normalizer.copy_(values[0] / values[1])
        self._is_set = True

    def _load_from_state_dict(self, *args) -> None:
        super()._load_from_state_dict(*args)
        self._is_set = False  # what was loaded may be of before any batch


class _DrawnProducts(torch.autograd.Function):
    """Products of every query with rows of its own, (B, K).

    The rows are looked up a second time for the gradient: kept, they would
    be (B, K, D) values.
    """

    @staticmethod
    def forward(ctx, feats, bank, rows):
        # The bank is saved so that autograd refuses one written meanwhile.
        local = bank.local if isinstance(bank, ShardedRows) else bank
        ctx.save_for_backward(rows, local)
        ctx.bank = bank
        parts = [
            torch.einsum('bd,bkd->bk', feats[part], found)
            for part, found in _look_up(bank, rows, feats.dtype)
        ]
        return torch.cat(parts)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):
        rows, _ = ctx.saved_tensors
        parts = [
            torch.einsum('bk,bkd->bd', grad[part], found)
            for part, found in _look_up(ctx.bank, rows, grad.dtype)
        ]
        return torch.cat(parts), None, None


def _look_up(bank: Tensor | ShardedRows, rows: Tensor, dtype: torch.dtype):
    """Yield parts of the batch with their rows, (b, K, D)."""
    at_once = max(1, _VALUES_AT_ONCE // (rows.shape[1] * bank.shape[1]))
    if isinstance(bank, ShardedRows):
        # All ranks look up together, in one call each.
        at_once = max(1, len(rows))
    for begin in range(0, max(len(rows), 1), at_once):
        part = slice(begin, begin + at_once)
        wanted = rows[part]
        found = bank[wanted.flatten()].to(dtype)
        yield part, found.view(*wanted.shape, bank.shape[1])
