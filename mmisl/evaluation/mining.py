"""What a mined graph looks like, and what is wrong with it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

# The sound rules of one run on 10,000 photographs had largest degrees of 15
# to 20 at a mean of 1, the failed ones hundreds.
HUB_FACTOR = 10
HUB_MIN_DEGREE = 20
HUB_TOP_SHARE = 0.01
# Mean scores of true triplets and proxies, each in [0, 1], further apart than
# this: the discriminator has won and the proxies are not on the manifold.
MAX_GAN_GAP = 0.5
# Which miner it was is not known here, and not all have these.
_PROPOSE_MORE = (
    'where the miner has them, lower score_thr and sim_thr or raise topk'
)


def graph_statistics(
    indptr: Tensor, indices: Tensor, labels: Tensor | None = None
) -> dict[str, float]:
    """Describe a symmetric neighbour graph by a few numbers.

    Labels are for reporting only; nothing here feeds back into training.

    Args:
        indptr (Tensor): (N + 1,) int64, row i spans
            ``indices[indptr[i]:indptr[i + 1]]``.
        indices (Tensor): (2E,) integer, two entries per undirected edge.
        labels (Tensor, optional): (N,) int64, negative where unknown.

    Returns:
        dict[str, float]:

        - ``num_edges``: E.
        - ``mean_degree``, ``max_degree``: neighbours per sample.
        - ``coverage``: share of samples with a neighbour, in [0, 1].
        - ``num_hubs``: samples with a degree above 20 and above 10 times the
          mean.
        - ``hub_share``: share of all edge ends at the 1 % of samples with
          the highest degree, in [0, 1]; 0 without edges.
        - ``purity``: share of edges between samples of one class, in [0, 1];
          left out where no edge has two known labels.

    Raises:
        ValueError: If ``labels`` is not (N,) or there is no sample.
    """
    num_samples = indptr.numel() - 1
    if num_samples < 1:
        raise ValueError(
            'indptr must have N + 1 entries for N >= 1 samples, got '
            f'{indptr.numel()}'
        )
    degrees = indptr.diff()
    num_ends = indices.numel()
    mean_degree = num_ends / num_samples
    hub_degree = max(HUB_MIN_DEGREE, HUB_FACTOR * mean_degree)
    num_top = math.ceil(HUB_TOP_SHARE * num_samples)
    top_ends = int(degrees.topk(num_top).values.sum())
    stats: dict[str, float] = dict(
        num_edges=num_ends // 2,
        mean_degree=mean_degree,
        max_degree=int(degrees.max()),
        coverage=float((degrees > 0).double().mean()),
        num_hubs=int((degrees > hub_degree).sum()),
        hub_share=top_ends / max(num_ends, 1),
    )
    if labels is not None:
        stats.update(_purity(degrees, indices, labels))
    return stats


def mining_warnings(
    stats: dict[str, float],
    *,
    requested_edges: int,
    accepted_edges: int,
    refused_edges: int = 0,
    gan_gap: float | None = None,
) -> list[str]:
    """Say in one line each what went wrong in a mining stage.

    Args:
        stats (dict[str, float]): From :func:`graph_statistics`.
        requested_edges (int): New edges that the quota asked for.
        accepted_edges (int): New edges that were found.
        refused_edges (int): Edges that were found too, and that the miner's
            gate kept out.
        gan_gap (float, optional): Mean score of true triplets minus that of
            proxies, in [-1, 1]; None for a miner without a GAN.

    Returns:
        list[str]: Each names the finding and what to change; empty if all is
        well.
    """
    warnings = []
    # What the gate refused was found: thresholds are not what it lacks.
    found_edges = accepted_edges + refused_edges
    if requested_edges > 0 and found_edges == 0:
        warnings.append(
            f'no edge mined ({requested_edges} asked for); {_PROPOSE_MORE}'
        )
    elif found_edges < requested_edges:
        warnings.append(
            f'quota not met: {found_edges} of {requested_edges} edges '
            f'mined; lower the quota or, {_PROPOSE_MORE}'
        )
    if stats['num_hubs'] > 0:
        warnings.append(
            f'hubs: {stats["num_hubs"]:.0f} samples with more than '
            f'{HUB_FACTOR} times the mean of {stats["mean_degree"]:.2f} '
            f'neighbours, the largest with {stats["max_degree"]:.0f}; hubs '
            'tend to join images of different classes: set max_degree or '
            'mutual=True in the miner, or train the encoder longer first'
        )
    if gan_gap is not None and not abs(gan_gap) <= MAX_GAN_GAP:
        warnings.append(_gan_warning(gan_gap))
    return warnings


def _purity(
    degrees: Tensor, indices: Tensor, labels: Tensor
) -> dict[str, float]:
    if labels.shape != degrees.shape:
        raise ValueError(
            f'labels must have one entry for each of the {len(degrees)} '
            f'samples of the graph, got shape {tuple(labels.shape)}'
        )
    labels = labels.to(degrees.device)
    src_label = torch.repeat_interleave(labels, degrees)  # (2E,)
    dst_label = labels[indices.to(torch.int64)]  # (2E,)
    known = (src_label >= 0) & (dst_label >= 0)
    if not known.any():
        return {}
    same = (src_label == dst_label)[known]
    return dict(purity=float(same.double().mean()))


def _gan_warning(gan_gap: float) -> str:
    if math.isnan(gan_gap):
        return (
            'the GAN diverged (gap nan); lower its learning rate or look for '
            'NaN in the features'
        )
    if gan_gap > 0:
        return (
            'unbalanced GAN: the discriminator tells proxies from real '
            f'neighbours (gap {gan_gap:.2f}); use generator='
            "'residual', train it longer, or lower the learning rate"
        )
    return (
        'unbalanced GAN: the discriminator prefers proxies to real '
        f'neighbours (gap {gan_gap:.2f}); train it longer or raise its '
        'learning rate'
    )
