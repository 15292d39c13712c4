"""Which images are shown where a set has too many for one page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .gallery import Round


@dataclass(frozen=True)
class Selection:
    """Some of N images.

    Attributes:
        rows: (M,) int64, ascending: which they are.
        is_anchor: (M,) bool: whose neighbours are all among them. Others
            are there as neighbours, and their own are not shown.
    """

    rows: np.ndarray
    is_anchor: np.ndarray

    def of(self, round_: Round) -> Round:
        """A round with the numbers that the images have here."""
        return replace(
            round_,
            neighbors=self._renumber(round_.neighbors),
            cosine=self._of_anchors(round_.cosine),
            control=(
                None
                if round_.control is None
                else self._renumber(round_.control)
            ),
            control_cosine=(
                None
                if round_.control_cosine is None
                else self._of_anchors(round_.control_cosine)
            ),
        )

    def _of_anchors(self, cosine: np.ndarray) -> np.ndarray:
        shown = np.where(self.is_anchor[:, None], cosine[self.rows], 0)
        return shown.astype(np.uint8)

    def _renumber(self, neighbors: np.ndarray) -> np.ndarray:
        places = np.full(len(neighbors) + 1, -1, dtype=np.int32)
        places[self.rows] = np.arange(len(self.rows))
        # The last place, which -1 leads to, is nobody's.
        own = places[neighbors[self.rows]]
        return np.where(self.is_anchor[:, None], own, np.int32(-1))


def select_images(
    num_images: int,
    neighbors: Sequence[np.ndarray],
    *,
    limit: int,
    seed: int = 0,
) -> Selection | None:
    """Draw anchors until they and their neighbours are enough.

    Args:
        num_images (int): N.
        neighbors (Sequence[np.ndarray]): (N, k) each, padded with -1: all
            that have to be there with an anchor.
        limit (int): Images that may be shown.
        seed (int): Of the draw. Defaults to 0.

    Returns:
        Selection | None: None if all can be shown.
    """
    if num_images <= limit:
        return None
    order = np.random.default_rng(seed).permutation(num_images)
    shown = np.zeros(num_images, dtype=bool)
    is_anchor = np.zeros(num_images, dtype=bool)
    count = 0
    for anchor in order:
        wanted = [anchor]
        for rows in neighbors:
            wanted.extend(row for row in rows[anchor].tolist() if row >= 0)
        new = {row for row in wanted if not shown[row]}
        if count + len(new) > limit:
            break
        count += len(new)
        shown[list(new)] = True
        is_anchor[anchor] = True
    rows = np.flatnonzero(shown)
    return Selection(rows, is_anchor[rows])
