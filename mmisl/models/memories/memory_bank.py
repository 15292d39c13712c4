"""Running feature of every training sample."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmengine.dist import all_gather, get_world_size
from mmengine.model import BaseModule
from torch import Tensor

from mmisl.registry import MODELS


@MODELS.register_module()
class MemoryBank(BaseModule):
    r"""Running unit-length feature of every training sample.

    .. math:: v_i \leftarrow \mathrm{norm}((1 - m)\, v_i + m\, f_i)

    ``momentum`` is the weight of the NEW feature, as in mmengine's averages.
    NPID and the released ISL code call the weight of the old one momentum;
    0.5 is the same in both.

    Reading and writing are separate on purpose: the logits' backward needs
    the bank as it was in forward, so updates are deferred until the optimizer
    has stepped. The released code writes inside that backward
    (``lib/LinearAverage.py``, ``LinearAverageOp``), which skips or doubles
    updates under gradient accumulation and DDP.

    Rows start as random directions. # Deviates from the released code, whose
    initial rows have norm 1.00 +- 0.04: ours have norm 1 from the start.

    Args:
        num_samples (int, optional): N. By default the size of the training
            set, which :class:`mmisl.RoundBasedTrainLoop` passes on; a size
            given here that disagrees with it is refused.
        feat_dim (int): D. Defaults to 128.
        momentum (float): m in (0, 1]. Defaults to 0.5.
        seed (int): Seed of the initial rows. Defaults to 0.

    Attributes:
        bank (Tensor): (N, D) float32, rows of norm 1, equal on all ranks.

    Raises:
        ValueError: If an argument is out of range.
    """

    bank: Tensor

    def __init__(
        self,
        num_samples: int | None = None,
        feat_dim: int = 128,
        *,
        momentum: float = 0.5,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if not 0 < momentum <= 1:
            raise ValueError(
                'momentum is the weight of the new feature and must lie in '
                f'(0, 1], got {momentum}'
            )
        if feat_dim < 1:
            raise ValueError(f'feat_dim must be >= 1, got {feat_dim}')
        self.momentum = momentum
        self.seed = seed
        self.max_deferred = 1
        self._deferred: list[tuple[Tensor, Tensor]] = []
        self.register_buffer('bank', torch.zeros(0, feat_dim))
        if num_samples is not None:
            self.set_num_samples(num_samples)

    @property
    def num_samples(self) -> int:
        """Size N of the training set, 0 if not yet known."""
        return len(self.bank)

    def set_num_samples(self, num_samples: int) -> None:
        """Fix N and draw the initial rows; a known N must not change.

        Raises:
            ValueError: If N is smaller than 2, or known and different.
        """
        if num_samples < 2:
            raise ValueError(
                'a memory bank needs at least 2 samples to tell apart, got '
                f'num_samples={num_samples}'
            )
        if self.num_samples not in (0, num_samples):
            raise ValueError(
                f'the memory bank holds {self.num_samples} samples, but the '
                f'training set has {num_samples}; leave num_samples out of '
                'the config to take the size of the data set'
            )
        if self.num_samples == 0:
            generator = torch.Generator().manual_seed(self.seed)
            rows = torch.randn(
                num_samples, self.bank.shape[1], generator=generator
            )
            self.bank = F.normalize(rows).to(self.bank)

    def defer_update(self, sample_idx: Tensor, feats: Tensor) -> None:
        """Remember a batch until :meth:`apply_update`.

        Args:
            sample_idx (Tensor): (B,) int64 in [0, N); -1 marks a padded copy,
                which is never written.
            feats (Tensor): (B, D) float, norm 1; detached here.

        Raises:
            RuntimeError: If ``max_deferred`` batches already wait.
        """
        if len(self._deferred) >= self.max_deferred:
            raise RuntimeError(
                f'{len(self._deferred)} batch(es) wait to be written to the '
                "memory bank; add dict(type='mmisl.MemoryBankHook') to "
                'custom_hooks'
            )
        feats = feats.detach().to(self.bank.dtype)
        self._deferred.append((sample_idx, feats))

    @torch.no_grad()
    def apply_update(self) -> None:
        """Gather the deferred batches from all ranks and write them.

        A sample that occurs more than once is written once, with the mean of
        its features, so the result depends neither on the order of the batch
        nor on the number of ranks. Features that are not finite, as an
        overflow under mixed precision leaves, are not written. No-op if
        nothing was deferred.
        """
        if not self._deferred:
            return
        sample_idx = torch.cat([idx for idx, _ in self._deferred])
        feats = torch.cat([feats for _, feats in self._deferred])
        self._deferred.clear()
        if get_world_size() > 1:
            # The sampler keeps batches of equal size on all ranks.
            sample_idx = torch.cat(all_gather(sample_idx))
            feats = torch.cat(all_gather(feats))
        # One row that is not finite would spoil every later log-sum-exp.
        keep = (sample_idx >= 0) & feats.isfinite().all(1)
        # Sorting makes the sum of duplicates independent of their rank.
        order = torch.argsort(sample_idx[keep], stable=True)
        sample_idx, feats = sample_idx[keep][order], feats[keep][order]
        rows, inverse, count = torch.unique_consecutive(
            sample_idx, return_inverse=True, return_counts=True
        )
        mean = feats.new_zeros(len(rows), feats.shape[1])
        mean.index_add_(0, inverse, feats).div_(count.unsqueeze(1))
        self.bank[rows] = F.normalize(
            (1 - self.momentum) * self.bank[rows] + self.momentum * mean
        )

    def _load_from_state_dict(self, state_dict, prefix, *args) -> None:
        # An unsized bank takes the size that was saved.
        saved = state_dict.get(prefix + 'bank')
        if saved is not None and len(saved) != self.num_samples:
            if self.num_samples:
                raise ValueError(
                    f'the checkpoint is of {len(saved)} samples, but the '
                    f'memory bank of {self.num_samples}; use the data set '
                    'the checkpoint was trained on'
                )
            self.bank = self.bank.new_empty(len(saved), self.bank.shape[1])
        super()._load_from_state_dict(state_dict, prefix, *args)
