"""Symmetric neighbour relation over the samples of a training set."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

# Edges looked for at once, some 50 bytes each.
_SEARCHED = 2**20


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
    # Buffers have the size that was saved; loading checks them here.
    sized_by_data = True

    def __init__(self, num_samples: int = 0) -> None:
        super().__init__()
        self.register_buffer('indptr', torch.zeros(1, dtype=torch.int64))
        self.register_buffer('indices', torch.zeros(0, dtype=torch.int32))
        # Not state: what the host knows of this very ``indptr``.
        self._largest_degree: tuple[Tensor | None, int] = (None, 0)
        self._host_indptr: tuple[Tensor | None, np.ndarray] = (
            None,
            np.zeros(1, dtype=np.int64),
        )
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

    @property
    def max_degree(self) -> int:
        """Largest number of neighbours, read once from the device."""
        if self._largest_degree[0] is not self.indptr:
            degree = int(self.degrees.max()) if self.num_samples else 0
            self._largest_degree = (self.indptr, degree)
        return self._largest_degree[1]

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
        _check_pairs(src, dst, self.num_samples)
        before = self.num_edges
        device = self.indptr.device
        src, dst = src.to(device, torch.int64), dst.to(device, torch.int64)
        self._insert(*self._both_directions(src, dst))
        return self.num_edges - before

    def _both_directions(self, src: Tensor, dst: Tensor) -> tuple[Tensor, ...]:
        """Distinct directed edges, ascending by row, then by column."""
        loops = src == dst
        if loops.any():
            src, dst = src[~loops], dst[~loops]
        # One sortable number per directed edge; N < 3e9 keeps it in int64.
        keys = _sort(
            torch.cat(
                [src * self.num_samples + dst, dst * self.num_samples + src]
            )
        )
        first = torch.ones_like(keys, dtype=torch.bool)
        torch.ne(keys[1:], keys[:-1], out=first[1:])
        keys = keys[first]
        row = torch.div(keys, self.num_samples, rounding_mode='floor')
        return row, keys.sub_(row * self.num_samples)

    def _insert(self, row: Tensor, col: Tensor) -> None:
        """Merge ascending directed edges into the rows, which stay sorted.

        Known edges keep their order, so what is stored need not be sorted
        again: each new edge moves behind the known ones before it.
        """
        indices = col.to(self.indices.dtype)
        if self.indices.numel():
            place, known = self._locate(row, col)
            row, indices, place = row[~known], indices[~known], place[~known]
            place += torch.arange(len(row), device=row.device)
            is_known = torch.ones(
                self.indices.numel() + len(row),
                dtype=torch.bool,
                device=row.device,
            )
            is_known[place] = False
            merged = self.indices.new_empty(len(is_known))
            merged[place] = indices
            merged[is_known] = self.indices
            indices = merged
        counts = torch.bincount(row, minlength=self.num_samples)
        self.indptr = self.indptr + torch.cat(
            [counts.new_zeros(1), counts.cumsum(0)]
        )
        self.indices = indices

    def _locate(self, src: Tensor, dst: Tensor) -> tuple[Tensor, Tensor]:
        """Where in ``indices`` directed edges stand or would have to.

        A binary search in all rows at once: nothing of the size of the graph
        is made.

        Returns:
            tuple[Tensor, Tensor]: Position (M,) int64, and whether the edge
            is there, (M,) bool.
        """
        if self.indices.numel() == 0:
            return self.indptr[src], torch.zeros_like(src, dtype=torch.bool)
        parts = [
            self._search(*part)
            for part in zip(src.split(_SEARCHED), dst.split(_SEARCHED))
        ]
        place, known = zip(*parts)
        return torch.cat(place), torch.cat(known)

    def _search(self, src: Tensor, dst: Tensor) -> tuple[Tensor, Tensor]:
        low, end = self.indptr[src], self.indptr[src + 1]
        last = self.indices.numel() - 1
        high = end
        for _ in range(self.max_degree.bit_length()):
            middle = (low + high) >> 1
            value = self.indices[middle.clamp_max(last)]
            right = (value < dst) & (low < high)
            low = torch.where(right, middle + 1, low)
            high = torch.where(right, high, middle)
        found = self.indices[low.clamp_max(last)] == dst
        return low, found & (low < end)

    def edges(self) -> tuple[Tensor, Tensor]:
        """Every undirected edge once.

        Returns:
            tuple[Tensor, Tensor]: ``src`` and ``dst``, (E,) int64 each, with
            ``src < dst``, in ascending order.
        """
        src = torch.repeat_interleave(
            torch.arange(self.num_samples, device=self.indptr.device),
            self.degrees,
        )
        once = src < self.indices
        return src[once], self.indices[once].to(torch.int64)

    def neighbors(self, sample_idx: Tensor) -> tuple[Tensor, Tensor]:
        """Neighbours of a batch as flat pairs, ready for segment operations.

        Args:
            sample_idx (Tensor): (B,) int64 in [0, N), on the graph's device
                or on the host, where M is known without waiting for a GPU.

        Returns:
            tuple[Tensor, Tensor]: ``row`` (M,) int64, position in the batch,
            and ``col`` (M,) int64, sample index, with M the summed degree;
            on the graph's device.
        """
        num_pairs = self._count_pairs(sample_idx)
        sample_idx = sample_idx.to(self.indptr.device, non_blocking=True)
        start = self.indptr[sample_idx]
        count = self.indptr[sample_idx + 1] - start
        batch = torch.arange(len(sample_idx), device=start.device)
        row = torch.repeat_interleave(batch, count, output_size=num_pairs)
        first = count.cumsum(0) - count
        offset = torch.arange(len(row), device=start.device) - first[row]
        return row, self.indices[start[row] + offset].to(torch.int64)

    def non_neighbors(self, sample_idx: Tensor, order: Tensor) -> Tensor:
        """The u-th sample that is neither a given one nor its neighbour.

        A binary search in the row of each sample: of its neighbours
        ``n_0 < n_1 < ...`` those precede the u-th other sample for which
        ``n_t - t <= u``. Made are a few tensors of the size of ``order``,
        whatever the degrees.

        Args:
            sample_idx (Tensor): (B,) int64 in [0, N).
            order (Tensor): (B, K) int64, u from 0 on and below the number of
                samples that are left.

        Returns:
            Tensor: (B, K) int64, ascending in u.
        """
        first = self.indptr[sample_idx].unsqueeze(1)  # (B, 1)
        left = self.indptr[sample_idx + 1].unsqueeze(1) - first
        before = self._locate(sample_idx, sample_idx)[0].unsqueeze(1) - first
        # The sample itself is one more that is left out.
        order = order + (order >= sample_idx.unsqueeze(1) - before)
        # Twice as fast in 32 bits, which positions nearly always fit.
        is_wide = max(self.num_samples, self.indices.numel()) >= 2**31
        dtype = torch.int64 if is_wide else torch.int32
        first, left = first.to(dtype), left.to(dtype)
        bound = order.to(dtype) - first
        place = first.repeat(1, order.shape[1])
        for _ in range(self.max_degree.bit_length()):
            # Known: the answer lies in [place, place + left]. A row with
            # nothing left looks at any entry and stays where it is.
            step = (left + 1) >> 1
            probe = place + (step - 1)
            # Indices have 32 bits where only their number takes more.
            value = self.indices[probe].to(dtype)
            precedes = value.sub_(probe) <= bound
            place += precedes * step
            left = left - step
        return order.add_(place.sub_(first))

    def _count_pairs(self, sample_idx: Tensor) -> int | None:
        """M of samples on the host; None on a device, which would be asked."""
        if sample_idx.device.type != 'cpu':
            return None
        if self._host_indptr[0] is not self.indptr:
            self._host_indptr = (self.indptr, self.indptr.cpu().numpy())
        indptr, rows = self._host_indptr[1], sample_idx.numpy()
        return int((indptr[rows + 1] - indptr[rows]).sum())

    def contains(self, src: Tensor, dst: Tensor) -> Tensor:
        """Tell which pairs are edges.

        Args:
            src (Tensor): (M,) int64.
            dst (Tensor): (M,) int64.

        Returns:
            Tensor: (M,) bool.
        """
        return self._locate(src, dst)[1]

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


def _check_pairs(src: Tensor, dst: Tensor, num_samples: int) -> None:
    if src.shape != dst.shape:
        raise ValueError(
            'src and dst must have the same length, got '
            f'{tuple(src.shape)} and {tuple(dst.shape)}'
        )
    for name, idx in (('src', src), ('dst', dst)):
        if idx.numel() and not 0 <= idx.min() <= idx.max() < num_samples:
            raise ValueError(
                f'{name} must lie in [0, {num_samples}), got '
                f'[{int(idx.min())}, {int(idx.max())}]'
            )


def _sort(keys: Tensor) -> Tensor:
    """Ascending; numpy's sort makes no indices, which torch's always does."""
    if keys.is_cuda:
        return keys.sort().values
    return torch.from_numpy(np.sort(keys.numpy()))


def _index_dtype(num_samples: int) -> torch.dtype:
    limit = torch.iinfo(torch.int32).max
    return torch.int32 if num_samples <= limit else torch.int64
