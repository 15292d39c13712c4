"""Running feature of every training sample."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.dist import all_gather, get_rank, get_world_size
from mmengine.model import BaseModule
from torch import Tensor

from mmisl.ops import ShardedRows
from mmisl.registry import MODELS

# Initial rows are drawn in blocks, each from a seed of its own, so that no
# rank has to hold all of them to find its own.
_BLOCK_ROWS = 2**16


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
        sharded (bool): Whether rank r of W holds the rows r, r + W, ...
            alone, instead of all of them. Losses, graphs and scores are
            the same to rounding, whatever W is. Defaults to False.

    Attributes:
        bank (Tensor): (N, D) float32, rows of norm 1, equal on all ranks; or
            the (N_r, D) rows of this rank. Read it through :attr:`rows`.

    Raises:
        ValueError: If an argument is out of range.
    """

    bank: Tensor
    # The buffer has the size that was saved; loading checks it here.
    sized_by_data = True

    def __init__(
        self,
        num_samples: int | None = None,
        feat_dim: int = 128,
        *,
        momentum: float = 0.5,
        seed: int = 0,
        sharded: bool = False,
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
        self.sharded = sharded
        self.max_deferred = 1
        self._deferred: list[tuple[Tensor, Tensor]] = []
        self._num_samples = 0
        self._collected: Tensor | None = None
        self.register_buffer('bank', torch.zeros(0, feat_dim))
        if num_samples is not None:
            self.set_num_samples(num_samples)

    @property
    def num_samples(self) -> int:
        """Size N of the training set, 0 if not yet known."""
        return self._num_samples

    @property
    def feat_dim(self) -> int:
        """Size D of a feature."""
        return self.bank.shape[1]

    @property
    def is_split(self) -> bool:
        """Whether there are other ranks that hold other rows."""
        return self.sharded and get_world_size() > 1

    @property
    def rows(self) -> Tensor | ShardedRows:
        """All N rows, wherever they are."""
        if self.is_split:
            return ShardedRows(self.bank, self.num_samples)
        return self.bank

    def set_num_samples(self, num_samples: int) -> None:
        """Fix N and draw the initial rows; a known N must not change.

        Raises:
            ValueError: If N is smaller than 2 or than the number of ranks
                that share it, or known and different.
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
        if self.is_split and num_samples < get_world_size():
            raise ValueError(
                f'{get_world_size()} ranks cannot share {num_samples} rows; '
                'set model.memory.sharded=False'
            )
        if self.num_samples == 0:
            self.bank = self._initial_rows(num_samples).to(self.bank)
            self._num_samples = num_samples

    def _initial_rows(self, num_samples: int) -> Tensor:
        """Random directions; a row does not depend on the ranks."""
        parts = []
        for block, begin in enumerate(range(0, num_samples, _BLOCK_ROWS)):
            mixed = np.random.SeedSequence((self.seed, block))
            generator = torch.Generator().manual_seed(
                int(mixed.generate_state(1, np.uint64)[0]) >> 1
            )
            size = min(_BLOCK_ROWS, num_samples - begin)
            part = torch.randn(size, self.bank.shape[1], generator=generator)
            if self.is_split:
                # A block is a multiple of W long only by chance.
                own = (get_rank() - begin) % get_world_size()
                part = part[own :: get_world_size()].clone()
            parts.append(part)
        return F.normalize(torch.cat(parts))

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
        its features, so but for rounding the result depends neither on the
        order of the batch nor on the number of ranks. Features that are not
        finite, as an overflow under mixed precision leaves, are not written.
        No-op if nothing was deferred. Never waits for the device.
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
        written = (sample_idx >= 0) & feats.isfinite().all(1)
        row = sample_idx.clamp_min(0)
        if self.is_split:
            rows = ShardedRows(self.bank, self.num_samples)
            written = written & rows.is_local(row)
            row = rows.local_rows(row).clamp_max(len(self.bank) - 1)
        self._write(row, feats, written)

    @torch.no_grad()
    def replace(self, rows: Tensor | ShardedRows) -> None:
        """Take other rows in place of all present ones.

        Args:
            rows (Tensor | ShardedRows): (N, D) float, norm 1, sharded as the
                bank is; the same on all ranks otherwise.

        Raises:
            ValueError: If shape or layout differ from the bank's.
        """
        own = rows.local if isinstance(rows, ShardedRows) else rows
        is_split = isinstance(rows, ShardedRows)
        if own.shape != self.bank.shape or is_split != self.is_split:
            raise ValueError(
                f'rows must be {tuple(self.bank.shape)} and laid out as the '
                f'bank, got {tuple(own.shape)}'
            )
        self.bank.copy_(own)

    def _write(self, row: Tensor, feats: Tensor, written: Tensor) -> None:
        """Write a batch; entries not to be written leave their row as it is.

        Shapes do not depend on values, which the host would wait for: all
        entries of a row write the same new value, or its old one.
        """
        # Sorting makes the sum of duplicates independent of their rank.
        order = torch.argsort(row, stable=True)
        row, feats, written = row[order], feats[order], written[order]
        weight = written.to(feats.dtype).unsqueeze(1)  # (B, 1)
        feats = torch.where(written.unsqueeze(1), feats, 0)
        is_new = torch.ones_like(row)
        is_new[1:] = row[1:] != row[:-1]
        group = is_new.cumsum(0) - 1  # (B,), the same for equal rows
        total = torch.zeros_like(feats).index_add_(0, group, feats)[group]
        count = torch.zeros_like(weight).index_add_(0, group, weight)[group]
        mean = total / count.clamp_min(1)
        old = self.bank[row]
        new = F.normalize((1 - self.momentum) * old + self.momentum * mean)
        self.bank[row] = torch.where(count > 0, new, old)

    @contextmanager
    def collected(self) -> Iterator[None]:
        """While inside, the main rank's state dict holds all N rows.

        A sharded bank travels to the main rank's host memory, N x D values;
        all ranks must enter. Elsewhere its state dict holds no rows. Any
        other bank is not changed.
        """
        if self.is_split:
            self._collected = ShardedRows(
                self.bank, self.num_samples
            ).collect()
        try:
            yield
        finally:
            self._collected = None

    def _save_to_state_dict(self, destination, prefix, keep_vars) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        if self.is_split:
            # Without `collected` no rows at all: mmengine broadcasts what a
            # state dict holds, and a part must not pass for the whole.
            whole = self._collected
            destination[prefix + 'bank'] = (
                self.bank[:0] if whole is None else whole
            )

    def _load_from_state_dict(self, state_dict, prefix, *args) -> None:
        # An unsized bank takes the size that was saved.
        saved = state_dict.get(prefix + 'bank')
        if saved is None:
            super()._load_from_state_dict(state_dict, prefix, *args)
            return
        if self.num_samples and not len(saved):
            raise ValueError(
                'the checkpoint holds no rows of the memory bank: a sharded '
                'bank is saved by AtomicCheckpointHook alone; use one of its '
                'checkpoints'
            )
        if self.num_samples not in (0, len(saved)):
            raise ValueError(
                f'the checkpoint is of {len(saved)} samples, but the '
                f'memory bank of {self.num_samples}; use the data set '
                'the checkpoint was trained on'
            )
        # mmengine would only log it and go on with random rows.
        if len(saved) and saved.shape[1] != self.bank.shape[1]:
            raise ValueError(
                f'the checkpoint holds a memory bank of {saved.shape[1]} '
                f'values a sample, but model.memory has feat_dim='
                f'{self.bank.shape[1]}; set it as in the checkpoint'
            )
        self._num_samples = len(saved)
        if self.is_split:
            saved = saved[get_rank() :: get_world_size()]
        if len(saved) != len(self.bank):
            self.bank = self.bank.new_empty(len(saved), self.bank.shape[1])
        super()._load_from_state_dict(
            {**state_dict, prefix + 'bank': saved}, prefix, *args
        )
