"""How far apart images are when only their pixels are looked at."""

from __future__ import annotations

from typing import Protocol

import numpy as np

# Pairs at once: 3 kB an image of 32 x 32, in the cache of a processor.
_PAIRS_AT_ONCE = 1024


class ImageRows(Protocol):
    """Images of one size by index, such as an array (N, H, W, 3) uint8."""

    def __len__(self) -> int:
        """Number N of images."""
        ...

    def __getitem__(self, rows: np.ndarray, /) -> np.ndarray:
        """Images (M, ...) uint8 at indices (M,)."""
        ...


class PixelDistances:
    """Root mean square distance between small images, in [0, 1].

    Two images that are further apart than the median over random pairs are
    called far: half of all pairs are, so a relation that paid no heed to
    pixels would have as many far pairs as near ones.

    Args:
        images (ImageRows): N >= 2 images, uint8, all of one size.
        num_pairs (int): Random pairs of different images that the median is
            taken over. Defaults to 20,000.
        seed (int): Seed of their draw. Defaults to 0.

    Attributes:
        num_samples (int): N.
        median (float): Of the distances of the random pairs.

    Raises:
        ValueError: If there are fewer than 2 images or no pair.
    """

    def __init__(
        self, images: ImageRows, *, num_pairs: int = 20_000, seed: int = 0
    ) -> None:
        self.num_samples = len(images)
        if self.num_samples < 2 or num_pairs < 1:
            raise ValueError(
                'PixelDistances needs at least 2 images and 1 pair, got '
                f'{self.num_samples} and {num_pairs}'
            )
        self._images = images
        rng = np.random.default_rng(seed)
        src = rng.integers(self.num_samples, size=num_pairs)
        step = rng.integers(1, self.num_samples, size=num_pairs)
        distances = self.between(src, (src + step) % self.num_samples)
        self.median = float(np.median(distances))

    def between(self, src: np.ndarray, dst: np.ndarray) -> np.ndarray:
        """Distances of pairs.

        Args:
            src (np.ndarray): (M,) indices in [0, N).
            dst (np.ndarray): (M,) indices in [0, N).

        Returns:
            np.ndarray: (M,) float32 in [0, 1].
        """
        distances = np.empty(len(src), dtype=np.float32)
        for begin in range(0, len(src), _PAIRS_AT_ONCE):
            pairs = slice(begin, begin + _PAIRS_AT_ONCE)
            first, second = self._images[src[pairs]], self._images[dst[pairs]]
            apart = first.astype(np.float32) - second
            flat = apart.reshape(len(apart), -1)
            square = np.einsum('mp,mp->m', flat, flat) / flat.shape[1]
            distances[pairs] = np.sqrt(square) / 255
        return distances

    def mean_between(
        self, src: np.ndarray, dst: np.ndarray, *, max_pairs: int = 20_000
    ) -> float:
        """Mean distance of pairs, or of some of them that are drawn.

        Args:
            src (np.ndarray): (M,) indices in [0, N), M >= 1.
            dst (np.ndarray): (M,) indices in [0, N).
            max_pairs (int): Of more pairs as many are drawn, the same ones
                every time. Defaults to 20,000.

        Returns:
            float: In [0, 1].
        """
        if len(src) > max_pairs:
            rng = np.random.default_rng(0)
            rows = rng.choice(len(src), max_pairs, replace=False)
            src, dst = src[rows], dst[rows]
        return float(self.between(src, dst).mean())
