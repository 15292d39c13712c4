"""k-means by faiss and whitening by PCA, on one process or many."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType

import torch
from mmengine.dist import all_reduce, broadcast, get_rank, get_world_size
from mmengine.logging import print_log
from torch import Tensor

from mmisl.ops import ShardedRows, import_faiss
from mmisl.progress import Bar, is_shown, track

# Rows that are widened to float64 at a time.
_CHUNK_ROWS = 4096
# Rounding of a feature in units of the last place of its root mean square:
# its own, and what the sums before it have left.
_ROUNDING = 8
# Between two looks at a k-means that runs.
_WATCH_SECONDS = 0.25


@dataclass(frozen=True)
class Clustering:
    """One k-means.

    Attributes:
        assignments: (N,) int32 on the host, the nearest centroid of each row,
            in [0, k).
        centroids: (k, D) float32 on the host.
        inertia: Mean squared distance of a row to its centroid.
    """

    assignments: Tensor
    centroids: Tensor
    inertia: float


def kmeans(
    feats: Tensor,
    num_clusters: int,
    *,
    seed: int,
    num_iters: int = 20,
) -> Clustering:
    """Cluster rows by Euclidean distance, with all of them as training data.

    faiss, on this process's GPU where it was built for one, wherever the rows
    are.
    The same seed gives the same clusters on the same kind of machine.

    While it runs, faiss splits a large cluster in place of an empty one. One
    that is empty in the end stays so: it has no members, and nothing here
    draws from it.

    Args:
        feats (Tensor): (N, D) float, finite.
        num_clusters (int): k in [1, N].
        seed (int): Of the initial centroids.
        num_iters (int): Iterations of Lloyd's algorithm. Defaults to 20, as
            in DeepCluster and Local Aggregation.

    Returns:
        Clustering: Assignments, centroids and inertia.

    Raises:
        ValueError: If ``num_clusters`` or ``num_iters`` is out of range.
        ImportError: If faiss is missing.
    """
    if not 1 <= num_clusters <= len(feats):
        raise ValueError(
            f'num_clusters ({num_clusters}) must lie in [1, {len(feats)}], '
            'the number of samples; lower it'
        )
    if num_iters < 1:
        raise ValueError(f'num_iters must be >= 1, got {num_iters}')
    faiss = import_faiss('choose a method that does not cluster')
    rows = feats.detach().float().cpu().numpy()
    algorithm = faiss.Clustering(rows.shape[1], num_clusters)
    algorithm.niter = num_iters
    algorithm.seed = seed % (2**31 - 1)  # of 32 bits; seeds here have 63
    # Its defaults train on 256 rows a cluster, and warn below 39.
    algorithm.max_points_per_centroid = len(rows)
    algorithm.min_points_per_centroid = 1
    index = _flat_index(faiss, rows.shape[1])
    with _iterations_shown(algorithm):
        algorithm.train(rows, index)
    distance, nearest = index.search(rows, 1)
    centroids = faiss.vector_to_array(algorithm.centroids)
    return Clustering(
        assignments=torch.from_numpy(nearest[:, 0]).to(torch.int32),
        centroids=torch.from_numpy(centroids.reshape(num_clusters, -1)),
        inertia=float(distance.mean(dtype='float64')),
    )


@contextlib.contextmanager
def _iterations_shown(algorithm) -> Iterator[None]:
    """A bar of the iterations of a ``faiss.Clustering`` while it trains.

    faiss calls nobody back, but notes down every iteration as it ends. It
    trains without Python's lock, so another thread can count the notes.
    """
    if not is_shown():
        yield
        return
    ended = threading.Event()

    def watch() -> None:
        with Bar('k-means iterations', algorithm.niter) as bar:
            while not ended.wait(_WATCH_SECONDS):
                # Read while it grows: any number but a sensible one is none.
                done = algorithm.iteration_stats.size()
                if done <= algorithm.niter:
                    bar.update(completed=done)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


def _flat_index(faiss: ModuleType, dim: int):
    """An exhaustive index on this process's GPU, or on the CPU.

    ``faiss.Kmeans`` would take every GPU of the machine, in every rank.
    """
    if not (torch.cuda.is_available() and faiss.get_num_gpus()):
        return faiss.IndexFlatL2(dim)
    config = faiss.GpuIndexFlatConfig()
    config.device = torch.cuda.current_device()
    return faiss.GpuIndexFlatL2(faiss.StandardGpuResources(), dim, config)


def cluster_all(
    feats: Tensor | ShardedRows,
    num_clusters: int,
    *,
    seeds: list[int],
    num_iters: int = 20,
) -> tuple[Tensor, float]:
    """Several k-means of the same rows, shared out over the ranks.

    Rank r of W makes the clusterings r, r + W, ... of rows that all ranks
    hold; rows that are dealt out are brought to the host of rank 0, which
    makes all of them. The other ranks wait meanwhile: where that may take
    longer than the process group's timeout (10 minutes with NCCL, 30 with
    gloo), raise ``env_cfg.dist_cfg.timeout``, in seconds.

    Args:
        feats (Tensor | ShardedRows): (N, D) float, finite.
        num_clusters (int): k in [1, N].
        seeds (list[int]): One for each of the H clusterings.
        num_iters (int): See :func:`kmeans`. Defaults to 20.

    Returns:
        tuple[Tensor, float]: Assignments (H, N) int32, the same on all ranks
        and any number of them, on the device of ``feats``; mean inertia.

    Raises:
        ValueError: See :func:`kmeans`.
        ImportError: If faiss is missing.
    """
    start = time.perf_counter()
    rows: Tensor | None
    if isinstance(feats, ShardedRows):
        rows = feats.collect()  # None but on rank 0
        own = range(len(seeds)) if get_rank() == 0 else range(0)
    else:
        rows = feats
        own = range(get_rank(), len(seeds), get_world_size())
    assignments = torch.zeros(
        len(seeds), len(feats), dtype=torch.int32, device=feats.device
    )
    inertia = torch.zeros(len(seeds), dtype=torch.float64, device=feats.device)
    for number in track(own, 'clusterings'):
        assert rows is not None, 'who clusters has the rows'
        found = kmeans(
            rows, num_clusters, seed=seeds[number], num_iters=num_iters
        )
        assignments[number] = found.assignments.to(feats.device)
        inertia[number] = found.inertia
    # Exact: all ranks but one hold zeros.
    all_reduce(assignments)
    all_reduce(inertia)
    print_log(
        f'{len(seeds)} k-means of {len(feats)} rows in {feats.shape[1]} '
        f'dimensions into {num_clusters} clusters: '
        f'{time.perf_counter() - start:.1f} s',
        logger='current',
    )
    return assignments, float(inertia.mean())


@dataclass(frozen=True)
class Whitening:
    """Projection on the first principal components, each of variance 1.

    Attributes:
        mean: (D,) float64.
        components: (D', D) float64, by falling variance, each divided by the
            standard deviation along it.
    """

    mean: Tensor
    components: Tensor

    def __call__(self, rows: Tensor) -> Tensor:
        """(M, D) float to (M, D') float32, on the device of ``rows``."""
        parts = [
            (part.to(self.mean) - self.mean) @ self.components.T
            for part in track(rows.split(_CHUNK_ROWS), 'whitening')
        ]
        return torch.cat([part.float().to(rows.device) for part in parts])


def fit_whitening(
    rows: Tensor | ShardedRows,
    num_components: int,
    *,
    device: torch.device | None = None,
) -> Whitening:
    """Principal components of rows, by their covariance in float64.

    Only sums travel between ranks, so rows may be dealt out over them.

    Args:
        rows (Tensor | ShardedRows): (N, D) float, finite; the same on all
            ranks, or shards.
        num_components (int): D' in [1, min(N - 1, D)].
        device (torch.device, optional): Where to compute, for rows that are
            kept on the host; the chunks travel. Defaults to that of ``rows``.

    Returns:
        Whitening: Projections have mean 0, variance 1 (divided by N) and no
        correlation; the largest entry of a component is positive. That is
        faiss's ``PCAMatrix(eigen_power=-0.5)`` times sqrt(N): it does not
        divide by N.

    Raises:
        ValueError: If ``num_components`` is out of range, a row is not
            finite, or the rows vary in fewer directions than that by more
            than the rounding of their type.
    """
    num_rows, dim = rows.shape
    most = min(num_rows - 1, dim)
    if not 1 <= num_components <= most:
        raise ValueError(
            f'num_components ({num_components}) must lie in [1, {most}]: '
            f'{num_rows} samples of {dim} features span no more; lower it'
        )
    local = rows.local if isinstance(rows, ShardedRows) else rows
    is_split = isinstance(rows, ShardedRows)
    device = device or local.device
    total = torch.zeros(dim, dtype=torch.float64, device=device)
    for part in track(local.split(_CHUNK_ROWS), 'mean of the features'):
        total += part.to(total).sum(0)
    if is_split:
        all_reduce(total)
    mean = total / num_rows
    covariance = torch.zeros(dim, dim, dtype=torch.float64, device=device)
    for part in track(local.split(_CHUNK_ROWS), 'covariance'):
        centred = part.to(mean) - mean
        covariance.addmm_(centred.T, centred)
    if is_split:
        all_reduce(covariance)
    covariance /= num_rows
    if not covariance.isfinite().all():
        raise ValueError(
            'features hold NaN or infinity, so they cannot be whitened; '
            'lower the learning rate, or train without --amp'
        )
    variance, directions = torch.linalg.eigh(covariance)
    variance = variance.flip(0)[:num_components]
    directions = directions.T.flip(0)[:num_components]  # (D', D)
    # Below these a variance is rounding, of the eigenvalues or of the rows
    # themselves, and 1 / its root only noise.
    rounding = _ROUNDING * torch.finfo(rows.dtype).eps
    power = covariance.diagonal() + mean.square()  # (D,)
    floor = (rounding**2 * (directions.square() @ power)).maximum(
        variance[0].clamp_min(1e-30) * dim * 1e-15
    )
    if not (variance > floor).all():
        spanned = int((variance > floor).sum())
        raise ValueError(
            f'features vary in {spanned} directions only, so there are no '
            f'num_components ({num_components}) to whiten; lower it, or look '
            'for a collapse of the features'
        )
    largest = directions.abs().argmax(1, keepdim=True)
    sign = directions.gather(1, largest).sign()
    components = sign * directions * variance.rsqrt().unsqueeze(1)
    if is_split:
        # Where ranks differ in the last bits, near-equal variances would get
        # other directions.
        broadcast(components)
    return Whitening(mean=mean, components=components)
