"""Edges with what the miner thought of them, on the host."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ScoredEdges:
    """Pairs of samples, each with score, similarity and age.

    Unlike :class:`NeighborGraph`, from which training reads, this is for
    looking at: it lies on the host and says why an edge is there.

    Attributes:
        num_samples: N.
        src: (E,) int32 in [0, N), ascending.
        dst: (E,) int32 in [0, N). Undirected pairs stand once, with
            ``src < dst``.
        score: (E,) float32, the miner's confidence when it mined the edge,
            comparable within one round; for a member of a cluster the share
            of the clusterings that put the two together. NaN if not known.
        cosine: (E,) float32 in [-1, 1], similarity of the two features in
            the round that is described.
        added: (E,) uint16, round that mined the edge, from 0; the earliest
            possible where no snapshot was left of that round.
        directed: Whether ``dst`` is a neighbour of ``src`` alone, as in a
            list of nearest members of clusters, instead of both of each
            other.

    Raises:
        ValueError: If arrays differ in length or an index is out of range.
    """

    num_samples: int
    src: np.ndarray
    dst: np.ndarray
    score: np.ndarray
    cosine: np.ndarray
    added: np.ndarray
    directed: bool

    def __post_init__(self) -> None:
        lengths = {
            name: len(getattr(self, name))
            for name in ('src', 'dst', 'score', 'cosine', 'added')
        }
        if len(set(lengths.values())) > 1:
            raise ValueError(f'edges differ in length: {lengths}')
        for name in ('src', 'dst'):
            ends = getattr(self, name)
            if len(ends) and not (
                0 <= ends.min() <= ends.max() < self.num_samples
            ):
                raise ValueError(
                    f'{name} must lie in [0, {self.num_samples}), got '
                    f'[{ends.min()}, {ends.max()}]'
                )

    def __len__(self) -> int:
        return len(self.src)

    @property
    def degrees(self) -> np.ndarray:
        """(N,) int64, neighbours of every sample."""
        src, _, _ = self._both_ways()
        return np.bincount(src, minlength=self.num_samples)

    def nearest(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The k most similar neighbours of every sample.

        Args:
            k (int): Neighbours wanted, >= 1.

        Returns:
            tuple[np.ndarray, np.ndarray]: (N, k) int32, the most similar
            first, equal ones by index, padded with -1; (N, k) float32, their
            cosine, padded with NaN.

        Raises:
            ValueError: If ``k`` is smaller than 1.
        """
        if k < 1:
            raise ValueError(f'k must be >= 1, got {k}')
        src, dst, cosine = self._both_ways()
        order = np.lexsort((dst, -cosine, src))
        src, dst, cosine = src[order], dst[order], cosine[order]
        count = np.bincount(src, minlength=self.num_samples)
        place = np.arange(len(src)) - np.repeat(count.cumsum() - count, count)
        kept = place < k
        rows = np.full((self.num_samples, k), -1, dtype=np.int32)
        values = np.full((self.num_samples, k), np.nan, dtype=np.float32)
        rows[src[kept], place[kept]] = dst[kept]
        values[src[kept], place[kept]] = cosine[kept]
        return rows, values

    def _both_ways(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Neighbour lists: source, neighbour and cosine of each entry."""
        if self.directed:
            return self.src, self.dst, self.cosine
        return (
            np.concatenate([self.src, self.dst]),
            np.concatenate([self.dst, self.src]),
            np.concatenate([self.cosine, self.cosine]),
        )
