"""Which images each round has joined, in the form of the page."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mmisl.evaluation.edge_numbers import edge_numbers
from mmisl.structures import MiningSnapshot, ScoredEdges

# Rounds that a slider is still good for; clustering has one an epoch.
MAX_ROUNDS = 12

# What edge_numbers gives, in the words and the form of the page.
_SHARE, _MEAN, _COUNT = '{:.1%}', '{:.2f}', '{:,.0f}'
NUMBERS = {
    'num_edges': ('edges', _COUNT),
    'mean_degree': ('neighbours per image', _MEAN),
    'max_degree': ('largest degree', _COUNT),
    'num_hubs': ('hubs', _COUNT),
    'coverage': ('images with a neighbour', _SHARE),
    'purity': ('purity', _SHARE),
    'recall_at_10': ('recall@10', _SHARE),
}
# Of a round, (N, k) each.
ARRAYS = ('neighbors', 'cosine', 'control', 'control_cosine')
CONTROL_NUMBERS = ('max_degree', 'num_hubs', 'purity', 'recall_at_10')


@dataclass(frozen=True)
class Round:
    """What one round has joined.

    Attributes:
        round: From 0.
        epoch: Encoder epochs finished when it was mined.
        neighbors: (N, k) int32, the most similar first, padded with -1.
        cosine: (N, k) uint8, ``round((cosine + 1) * 127.5)``; 0 where there
            is no neighbour.
        control: (N, k) int32, plain nearest neighbours; None if not kept.
        control_cosine: (N, k) uint8, as ``cosine``, of these.
        numbers: Name and value, in words.
    """

    round: int
    epoch: int
    neighbors: np.ndarray
    cosine: np.ndarray
    control: np.ndarray | None
    control_cosine: np.ndarray | None
    numbers: list[tuple[str, str]]

    @property
    def label(self) -> str:
        """Of the slider."""
        return f'round {self.round}, epoch {self.epoch}'

    def first(self, k: int) -> Round:
        """With fewer neighbours."""
        fewer = {
            name: np.ascontiguousarray(array[:, :k])
            for name, array in self.named_arrays().items()
        }
        return replace(self, **fewer)

    def named_arrays(self) -> dict[str, np.ndarray]:
        """Those that were kept, by the name of their attribute."""
        given = {name: getattr(self, name) for name in ARRAYS}
        return {
            name: array for name, array in given.items() if array is not None
        }

    def arrays(self) -> list[np.ndarray]:
        """All of them, for their size."""
        return list(self.named_arrays().values())


def read_rounds(
    paths: Sequence[Path],
    *,
    num_neighbors: int,
    num_images: int | None = None,
    labels: np.ndarray | None = None,
    warn: Callable[[str], None],
) -> list[Round]:
    """Read the snapshots of a run.

    Args:
        paths (Sequence[Path]): Of the snapshots, by round.
        num_neighbors (int): Most similar neighbours to keep of each image.
        num_images (int, optional): N, if it is known.
        labels (np.ndarray, optional): (N,) integer, negative where unknown;
            for the numbers only.
        warn (Callable): Is told of files that cannot be read or are of
            another number of images, and of rounds that were left out.

    Returns:
        list[Round]: By round, at most 12, the first and the last among them.
    """
    chosen = spread_evenly(len(paths), MAX_ROUNDS)
    if len(chosen) < len(paths):
        warn(
            f'{len(chosen)} of {len(paths)} rounds are shown, evenly spread: '
            'a page shows at most 12 of a run'
        )
    rounds = []
    for path in (paths[i] for i in chosen):
        try:
            snapshot = MiningSnapshot.load(path)
        except (FileNotFoundError, ValueError) as error:
            warn(str(error))
            continue
        num_samples = snapshot.edges.num_samples
        if num_images not in (None, num_samples):
            warn(
                f'{path} is of {num_samples} images, but the data set has '
                f'{num_images}; name the images that the run was trained '
                'on with --cfg-options'
            )
            continue
        rounds.append(_make_round(snapshot, num_neighbors, labels))
    return rounds


def fit_rounds(rounds: Sequence[Round], max_bytes: int) -> list[Round]:
    """Keep as many neighbours as fit.

    Args:
        rounds (Sequence[Round]): Of one run or several.
        max_bytes (int): Compressed size that all arrays may have together.

    Returns:
        list[Round]: All of them, with k neighbours or fewer, at least 1.
    """
    fitted = list(rounds)
    while fitted:
        size = sum(packed_bytes(a) for r in fitted for a in r.arrays())
        k = fitted[0].neighbors.shape[1]
        if size <= max_bytes or k == 1:
            break
        fewer = max(1, min(k - 1, int(k * max_bytes / size)))
        fitted = [round_.first(fewer) for round_ in fitted]
    return fitted


def packed_bytes(array: np.ndarray) -> int:
    """Size of an array in the page, but for base64."""
    return len(zlib.compress(np.ascontiguousarray(array)))


def spread_evenly(count: int, limit: int) -> list[int]:
    """At most so many of ``range(count)``, the first and last among them."""
    if count <= limit:
        return list(range(count))
    return np.linspace(0, count - 1, limit).round().astype(int).tolist()


def _make_round(
    snapshot: MiningSnapshot, num_neighbors: int, labels: np.ndarray | None
) -> Round:
    neighbors, cosine = snapshot.edges.nearest(num_neighbors)
    numbers = _in_words(snapshot.edges, labels, tuple(NUMBERS))
    control = control_cosine = None
    if snapshot.control is not None:
        control, plain_cosine = snapshot.control.nearest(num_neighbors)
        control_cosine = pack_cosine(plain_cosine)
        plain = _in_words(snapshot.control, labels, CONTROL_NUMBERS)
        numbers += [(f'{name}, plain kNN', text) for name, text in plain]
    return Round(
        snapshot.round,
        snapshot.epoch,
        neighbors,
        pack_cosine(cosine),
        control,
        control_cosine,
        numbers,
    )


def pack_cosine(cosine: np.ndarray) -> np.ndarray:
    """[-1, 1] to uint8; NaN, which pads, to 0."""
    packed = np.rint((cosine.clip(-1, 1) + 1) * 127.5)
    return np.nan_to_num(packed, nan=0).astype(np.uint8)


def _in_words(
    edges: ScoredEdges, labels: np.ndarray | None, names: Sequence[str]
) -> list[tuple[str, str]]:
    known = edge_numbers(edges, labels)
    return [
        (NUMBERS[name][0], NUMBERS[name][1].format(known[name]))
        for name in names
        if name in known
    ]
