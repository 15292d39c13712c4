"""A flat map of the features, on which images that look alike lie close."""

from __future__ import annotations

import importlib
import warnings
from dataclasses import dataclass
from types import ModuleType

import numpy as np
import torch

from mmisl.engine.run_facts import usable_cores
from mmisl.ops import nearest_rows

MAP_METHODS = dict(tsne='t-SNE', umap='UMAP', pca='PCA')
# Perplexity and neighbours that openTSNE and umap-learn start from.
PERPLEXITY, NUM_NEIGHBORS = 30.0, 15
# Below this there is no neighbourhood to keep.
_MIN_SAMPLES = 5
_MANY_SAMPLES = 2000
_FULL = 65535


@dataclass(frozen=True)
class FeatureMap:
    """Where every image lies.

    Attributes:
        points: (N, 2) uint16, to the right and downwards, both axes on one
            scale; the longer one goes from 0 to 65535.
        method: Name of what has placed them: 't-SNE', 'UMAP' or 'PCA'.
        note: What a reader of the map should know.
    """

    points: np.ndarray
    method: str
    note: str


def make_map(
    features: np.ndarray, method: str = 'tsne', *, seed: int = 0
) -> FeatureMap:
    """Place features in a plane; the same seed gives the same map.

    Distances are those between features of norm 1. Neighbours are exact.

    Args:
        features (np.ndarray): (N, D) float, finite.
        method (str): ``'tsne'``, ``'umap'`` or ``'pca'``. Fewer than 5
            images, and features that are all equal, are placed by PCA.
            Defaults to ``'tsne'``.
        seed (int): Of t-SNE's and UMAP's random numbers. Defaults to 0.

    Returns:
        FeatureMap: In the order of the features.

    Raises:
        ImportError: If the library of the method is missing.
        ValueError: If the method is another, or features are not finite.
    """
    if method not in MAP_METHODS:
        raise ValueError(
            f'method must be one of {", ".join(MAP_METHODS)}, got {method!r}'
        )
    features = _unit_rows(features)
    num_samples = len(features)
    spread = float(features.std(axis=0).max(initial=0.0))
    if spread < 1e-6:
        note = 'All features are equal: the network has collapsed.'
        points = np.full((num_samples, 2), _FULL // 2 + 1, np.uint16)
        return FeatureMap(points, MAP_METHODS['pca'], note)
    axes, share = _principal_axes(features)
    if method == 'pca' or num_samples < _MIN_SAMPLES:
        note = f'The plane shows {100 * share:.0f} % of the variance.'
        return FeatureMap(_to_uint16(axes), MAP_METHODS['pca'], note)
    # Equal features must not start, and then stay, on one point.
    shifts = np.random.default_rng(seed).normal(size=axes.shape)
    start = axes / axes[:, 0].std() + 1e-3 * shifts
    place = dict(tsne=_tsne, umap=_umap)[method]
    points, note = place(features, start, seed)
    return FeatureMap(_to_uint16(points), MAP_METHODS[method], note)


def _unit_rows(features: np.ndarray) -> np.ndarray:
    """(N, D) float32 of norm 1; a row of zeros stays what it is.

    Raises:
        ValueError: If the shape is another or a value is not finite.
    """
    features = np.asarray(features, dtype=np.float32)
    if features.ndim != 2 or not features.size:
        raise ValueError(
            f'features must be (N, D) and not empty, got shape '
            f'{features.shape}'
        )
    wrong = np.flatnonzero(~np.isfinite(features).all(axis=1))
    if len(wrong):
        raise ValueError(
            f'{len(wrong)} of {len(features)} features hold NaN or infinity, '
            f'the first that of image {wrong[0]}; the run has diverged: map '
            'an earlier checkpoint'
        )
    norm = np.linalg.norm(features, axis=1, keepdims=True)
    return features / np.where(norm > 0, norm, 1)


def _principal_axes(features: np.ndarray) -> tuple[np.ndarray, float]:
    """(N, 2) float64 coordinates, and the share of the variance they show.

    The larger entries of an axis are positive, so signs do not depend on
    the library.
    """
    centred = features - features.mean(axis=0, dtype=np.float64)
    values, vectors = np.linalg.eigh(centred.T @ centred)
    axes = vectors[:, ::-1][:, :2]
    largest = np.abs(axes).argmax(axis=0)
    axes = axes * np.sign(axes[largest, range(axes.shape[1])])
    points = centred @ axes
    if points.shape[1] == 1:  # features of one value
        points = np.pad(points, ((0, 0), (0, 1)))
    return points, float(values[-2:].sum() / values.sum())


def _neighbors(
    features: np.ndarray, num_neighbors: int
) -> tuple[np.ndarray, np.ndarray]:
    """(N, k) rows of the nearest others, and distances, in [0, 2]."""
    rows = torch.from_numpy(features)
    similarity, nearest = nearest_rows(
        rows, rows, num_neighbors, exclude=torch.arange(len(rows))
    )
    squared = 2 - 2 * similarity.double().clamp(-1, 1)
    return nearest.numpy(), squared.sqrt().numpy()


def _tsne(
    features: np.ndarray, start: np.ndarray, seed: int
) -> tuple[np.ndarray, str]:
    """t-SNE by openTSNE, from the principal axes.

    Its own search took 14 s for 10,000 features of 128 values where ours
    took 1.2 s, and gives other neighbours with other numbers of threads.
    """
    name, package = 'openTSNE', 'openTSNE'
    library = _import(name, package)
    affinity = _import('openTSNE.affinity', package)
    search = _import('openTSNE.nearest_neighbors', package)
    num_samples = len(features)
    # A point has to have three times as many neighbours as the perplexity.
    perplexity = min(PERPLEXITY, (num_samples - 1) / 3)
    neighbors, distances = _neighbors(features, int(3 * perplexity))
    # Threads for few points only wait for each other.
    many = num_samples >= _MANY_SAMPLES
    num_jobs = usable_cores() if many else 1
    affinities = affinity.PerplexityBasedNN(
        perplexity=perplexity,
        knn_index=search.PrecomputedNeighbors(neighbors, distances),
        n_jobs=num_jobs,
    )
    solver = library.TSNE(n_jobs=num_jobs, random_state=seed)
    # The scale that openTSNE's own start from principal axes has.
    points = solver.fit(affinities=affinities, initialization=1e-4 * start)
    return np.asarray(points), (
        f'Perplexity {perplexity:g}, seed {seed}. Which images lie close '
        'means something; sizes of groups and distances between them do not.'
    )


def _umap(
    features: np.ndarray, start: np.ndarray, seed: int
) -> tuple[np.ndarray, str]:
    """UMAP by umap-learn, from the principal axes, with exact neighbours."""
    library = _import('umap', 'umap-learn')
    num_neighbors = min(NUM_NEIGHBORS, len(features) - 1)
    neighbors, distances = _neighbors(features, num_neighbors - 1)
    own = np.arange(len(features))[:, None]  # umap-learn counts it
    solver = library.UMAP(
        n_neighbors=num_neighbors,
        init=start.astype(np.float32),
        precomputed_knn=(
            np.hstack([own, neighbors]),
            np.pad(distances, ((0, 0), (1, 0))).astype(np.float32),
            None,
        ),
        random_state=seed,
        n_jobs=1,
    )
    with warnings.catch_warnings():
        # That features not seen before cannot be placed later.
        warnings.simplefilter('ignore')
        points = solver.fit_transform(features)
    return points, (
        f'{num_neighbors} neighbours, seed {seed}. Which images lie close '
        'means something; distances between groups mean little.'
    )


def _import(name: str, package: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f'{package} is not installed; install it with pip install '
            f'{package}, or choose the map pca'
        ) from error


def _to_uint16(points: np.ndarray) -> np.ndarray:
    """Both axes on one scale, in the middle of the square."""
    low, high = points.min(axis=0), points.max(axis=0)
    extent = float((high - low).max()) or 1.0
    centred = (points - (low + high) / 2) / extent + 0.5
    return np.rint(centred * _FULL).clip(0, _FULL).astype(np.uint16)
