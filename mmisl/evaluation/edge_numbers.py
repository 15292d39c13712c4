"""The numbers behind a picture of mined positives."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mmisl.structures import ScoredEdges

from .mining import graph_statistics
from .pixel_distances import PixelDistances

# Of how many of its most similar neighbours one must be of an image's class.
RECALL_DEPTH = 10
# Edges whose images are compared by pixels; a million take some seconds.
MAX_PIXEL_EDGES = 1_000_000


def edge_numbers(
    edges: ScoredEdges,
    labels: np.ndarray | None = None,
    *,
    pixel_distance: PixelDistances | None = None,
    max_pixel_edges: int = MAX_PIXEL_EDGES,
    seed: int = 0,
) -> dict[str, float]:
    """Describe a relation between images by a few numbers.

    Labels are for reporting only; nothing here feeds back into training.

    Args:
        edges (ScoredEdges): Over N samples. Of directed ones, such as
            members of clusters, the neighbours of a sample are those that it
            points at, and its degree, for ``max_degree`` and hubs, is how
            many point at it.
        labels (np.ndarray, optional): (N,) integer, negative where unknown.
        pixel_distance (PixelDistances, optional): How far apart the images
            are in pixels, over the same N samples.
        max_pixel_edges (int): Edges compared by pixels, at least 1; of more,
            as many are drawn at random. Defaults to 1,000,000.
        seed (int): Seed of that draw. Defaults to 0.

    Returns:
        dict[str, float]: ``num_edges``, ``mean_degree``, ``max_degree``,
        ``coverage``, ``num_hubs``, ``hub_share`` and ``purity`` as
        :func:`graph_statistics` has them, and

        - ``recall_at_10``: of the images with a label, the share of which one
          of the 10 most similar neighbours is of their class, in [0, 1]. An
          image without neighbours counts as a miss.
        - ``share_far``: share of edges between images that are further apart
          in pixels than half of all pairs, in [0, 1].
        - ``purity_far``: purity of these.
        - ``num_pixel_edges``: edges that the last two were measured on.

        A number that nothing is known of is left out: without labels, edges
        or pixels.

    Raises:
        ValueError: If ``labels`` or ``pixel_distance`` are of another number
            of samples, or ``max_pixel_edges`` is smaller than 1.
    """
    if max_pixel_edges < 1:
        raise ValueError(
            f'max_pixel_edges must be at least 1, got {max_pixel_edges}'
        )
    indptr, indices = _incoming(edges)
    known = None if labels is None else torch.from_numpy(np.asarray(labels))
    numbers = graph_statistics(indptr, indices, known)
    # There an edge has two entries and all that have a neighbour are one.
    numbers['num_edges'] = len(edges)
    numbers['coverage'] = float((edges.degrees > 0).mean())
    if labels is not None:
        numbers.update(_recall(edges, labels))
    if pixel_distance is not None:
        chosen = _draw_edges(len(edges), max_pixel_edges, seed)
        numbers.update(_far_apart(edges, chosen, labels, pixel_distance))
    return numbers


def _incoming(edges: ScoredEdges) -> tuple[Tensor, Tensor]:
    """Who has each sample for a neighbour, as CSR."""
    src, dst = edges.src, edges.dst
    if not edges.directed:
        src, dst = np.concatenate([src, dst]), np.concatenate([dst, src])
    counts = np.bincount(dst, minlength=edges.num_samples)
    indptr = np.concatenate([[0], np.cumsum(counts)])
    indices = src[np.argsort(dst, kind='stable')]
    return torch.from_numpy(indptr), torch.from_numpy(indices)


def _recall(edges: ScoredEdges, labels: np.ndarray) -> dict[str, float]:
    labels = np.asarray(labels)
    is_known = labels >= 0
    if not is_known.any():
        return {}
    neighbors, _ = edges.nearest(RECALL_DEPTH)  # (N, k), -1 padded
    same = labels[neighbors] == labels[:, None]
    hits = (same & (neighbors >= 0)).any(axis=1)
    return {f'recall_at_{RECALL_DEPTH}': float(hits[is_known].mean())}


def _draw_edges(num_edges: int, max_edges: int, seed: int) -> np.ndarray:
    """Which edges to look at, ascending; all where they are few enough."""
    if num_edges <= max_edges:
        return np.arange(num_edges)
    rng = np.random.default_rng(seed)
    return np.sort(rng.choice(num_edges, max_edges, replace=False))


def _far_apart(
    edges: ScoredEdges,
    chosen: np.ndarray,
    labels: np.ndarray | None,
    pixel_distance: PixelDistances,
) -> dict[str, float]:
    if pixel_distance.num_samples != edges.num_samples:
        raise ValueError(
            f'pixel_distance is over {pixel_distance.num_samples} images, '
            f'but the edges over {edges.num_samples}; take the images that '
            'the edges were mined from'
        )
    numbers: dict[str, float] = dict(num_pixel_edges=len(chosen))
    if len(chosen) == 0:
        return numbers
    src, dst = edges.src[chosen], edges.dst[chosen]
    is_far = pixel_distance.between(src, dst) > pixel_distance.median
    numbers['share_far'] = float(is_far.mean())
    if labels is not None:
        ends = np.asarray(labels)[np.stack([src[is_far], dst[is_far]])]
        ends = ends[:, (ends >= 0).all(axis=0)]
        if ends.size:
            numbers['purity_far'] = float((ends[0] == ends[1]).mean())
    return numbers
