"""Symmetric neighbour relation over the samples of a training set."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class NeighborGraph(nn.Module):
    """Symmetric neighbour relation over all training samples, in CSR form.

    Row ``i`` holds the mined neighbours of sample ``i`` in ascending order.
    A sample is never its own neighbour, and ``j in N(i)`` implies
    ``i in N(j)``. The arrays are buffers: they are saved, moved and resumed
    with the model, and loading accepts any number of edges. The released
    code keeps a Python list of sets instead (``lib/LinearAverage.py``),
    which can be neither saved as tensors nor moved to a device.

    Args:
        num_samples (int): Size N of the training set. 0 means not yet
            known: loading a checkpoint or :meth:`set_num_samples` fixes it.

    Attributes:
        indptr (Tensor): (N + 1,) int64, row i spans
            ``indices[indptr[i]:indptr[i + 1]]``.
        indices (Tensor): (2E,) int32, two entries per undirected edge; int64
            once N exceeds the range of int32.

    Raises:
        ValueError: If ``num_samples`` is negative.

    Example:
        >>> graph = NeighborGraph(4)
        >>> graph.add_edges(torch.tensor([0, 0]), torch.tensor([2, 3]))
        2
        >>> graph.neighbors(torch.tensor([3, 0]))
        (tensor([0, 1, 1]), tensor([0, 2, 3]))
    """

    indptr: Tensor
    indices: Tensor

    def __init__(self, num_samples: int = 0) -> None:
        super().__init__()
        self.register_buffer('indptr', torch.zeros(1, dtype=torch.int64))
        self.register_buffer('indices', torch.zeros(0, dtype=torch.int32))
        if num_samples < 0:
            raise ValueError(
                f'num_samples must not be negative, got {num_samples}'
            )
        if num_samples:
            self.set_num_samples(num_samples)

    @property
    def num_samples(self) -> int:
        """Size N of the training set, 0 if not yet known."""
        return self.indptr.numel() - 1

    @property
    def num_edges(self) -> int:
        """Number E of undirected edges."""
        return self.indices.numel() // 2

    @property
    def degrees(self) -> Tensor:
        """(N,) int64, number of neighbours of every sample."""
        return self.indptr.diff()

    def set_num_samples(self, num_samples: int) -> None:
        """Fix N and start without edges; a known N must not change.

        Raises:
            ValueError: If N is already known and differs.
        """
        if num_samples < 1:
            raise ValueError(f'num_samples must be >= 1, got {num_samples}')
        if self.num_samples not in (0, num_samples):
            raise ValueError(
                f'the graph holds {self.num_samples} samples, but the data '
                f'set has {num_samples}; train on the data set the graph was '
                'mined from, or start without this checkpoint'
            )
        if self.num_samples == 0:
            self.indptr = self.indptr.new_zeros(num_samples + 1)
            self.indices = self.indices.new_zeros(
                0, dtype=_index_dtype(num_samples)
            )

    def clear(self) -> None:
        """Remove every edge."""
        self.indptr = torch.zeros_like(self.indptr)
        self.indices = self.indices[:0].clone()

    def add_edges(self, src: Tensor, dst: Tensor) -> int:
        """Insert undirected edges; known edges and self-loops are ignored.

        All ranks must pass the same edges (gather first), else their graphs
        diverge.

        Args:
            src (Tensor): (M,) int64 sample indices in [0, N).
            dst (Tensor): (M,) int64 sample indices in [0, N).

        Returns:
            int: Number of edges that were new.

        Raises:
            ValueError: If an index lies outside [0, N) or lengths differ.
        """
        if src.shape != dst.shape:
            raise ValueError(
                'src and dst must have the same length, got '
                f'{tuple(src.shape)} and {tuple(dst.shape)}'
            )
        for name, idx in (('src', src), ('dst', dst)):
            if idx.numel() and not 0 <= idx.min() <= idx.max() < (
                self.num_samples
            ):
                raise ValueError(
                    f'{name} must lie in [0, {self.num_samples}), got '
                    f'[{int(idx.min())}, {int(idx.max())}]'
                )
        before = self.num_edges
        device = self.indptr.device
        src, dst = src.to(device, torch.int64), dst.to(device, torch.int64)
        keep = src != dst
        src, dst = src[keep], dst[keep]
        known = self._keys(*self._directed_edges())
        new = torch.cat([self._keys(src, dst), self._keys(dst, src)])
        keys = torch.unique(torch.cat([known, new]))  # sorted, (2E',)
        row = torch.div(keys, self.num_samples, rounding_mode='floor')
        counts = torch.bincount(row, minlength=self.num_samples)
        self.indptr = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        self.indices = (keys - row * self.num_samples).to(
            _index_dtype(self.num_samples)
        )
        return self.num_edges - before

    def edges(self) -> tuple[Tensor, Tensor]:
        """Every undirected edge once.

        Returns:
            tuple[Tensor, Tensor]: ``src`` and ``dst``, (E,) int64 each, with
            ``src < dst``, in ascending order.
        """
        src, dst = self._directed_edges()
        once = src < dst
        return src[once], dst[once]

    def neighbors(self, sample_idx: Tensor) -> tuple[Tensor, Tensor]:
        """Neighbours of a batch as flat pairs, ready for segment operations.

        Args:
            sample_idx (Tensor): (B,) int64 in [0, N).

        Returns:
            tuple[Tensor, Tensor]: ``row`` (M,) int64, position in the batch,
            and ``col`` (M,) int64, sample index, with M the summed degree.
        """
        start = self.indptr[sample_idx]
        count = self.indptr[sample_idx + 1] - start
        batch = torch.arange(len(sample_idx), device=start.device)
        row = torch.repeat_interleave(batch, count)  # (M,)
        first = count.cumsum(0) - count
        offset = torch.arange(len(row), device=start.device) - first[row]
        return row, self.indices[start[row] + offset].to(torch.int64)

    def contains(self, src: Tensor, dst: Tensor) -> Tensor:
        """Tell which pairs are edges.

        Args:
            src (Tensor): (M,) int64.
            dst (Tensor): (M,) int64.

        Returns:
            Tensor: (M,) bool.
        """
        if self.indices.numel() == 0:
            return torch.zeros_like(src, dtype=torch.bool)
        known = self._keys(*self._directed_edges())
        keys = self._keys(src, dst)
        pos = torch.searchsorted(known, keys).clamp_max(len(known) - 1)
        return known[pos] == keys

    def _directed_edges(self) -> tuple[Tensor, Tensor]:
        row = torch.repeat_interleave(
            torch.arange(self.num_samples, device=self.indptr.device),
            self.degrees,
        )
        return row, self.indices.to(torch.int64)

    def _keys(self, src: Tensor, dst: Tensor) -> Tensor:
        # One sortable number per directed edge; N < 3e9 keeps it in int64.
        return src * self.num_samples + dst

    def _load_from_state_dict(self, state_dict, prefix, *args) -> None:
        # Buffers take the size that was saved: the number of edges is data.
        # N itself must agree once it is known.
        indptr = state_dict.get(prefix + 'indptr')
        indices = state_dict.get(prefix + 'indices')
        if indptr is not None and indices is not None:
            num_samples = indptr.numel() - 1
            if self.num_samples not in (0, num_samples):
                raise ValueError(
                    f'the checkpoint is of {num_samples} samples, but the '
                    f'graph of {self.num_samples}; use the data set the '
                    'checkpoint was trained on'
                )
            self.indptr = torch.zeros_like(indptr, device=self.indptr.device)
            self.indices = torch.zeros_like(
                indices, device=self.indices.device
            )
        super()._load_from_state_dict(state_dict, prefix, *args)


def _index_dtype(num_samples: int) -> torch.dtype:
    limit = torch.iinfo(torch.int32).max
    return torch.int32 if num_samples <= limit else torch.int64
