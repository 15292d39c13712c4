"""How often mined edges are found again: a check without labels.

An edge that says something of two images, and not of how they happened to be
augmented, is found again by views that it was not mined from. Of two
encoders on the same images, and of two rules on the same features, the one
whose edges are found again more often is the one with the purer edges; how
pure they are is not to be had without labels, because that hangs on how finely
the images are divided into classes. Measured: docs/results.md.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mmisl.ops import nearest_rows

from .rows import Views, gather_rows, own_chunks

_CHUNK_EDGES = 1024
# An edge is found again where its end is among this share of all rows.
_SHARE = 1 / 500
_MIN_DEPTH, _MAX_DEPTH = 2, 100
# Edges looked at; their mean is good to 0.8 points.
_MAX_SAMPLE = 4096


def replication_depth(num_samples: int) -> int:
    """Length of the lists in which edges are looked for.

    Args:
        num_samples (int): N.

    Returns:
        int: 2 per 1,000 samples, at least 2 and at most 100.
    """
    return min(max(round(_SHARE * num_samples), _MIN_DEPTH), _MAX_DEPTH)


@torch.no_grad()
def edge_replication(views: Views, src: Tensor, dst: Tensor) -> Tensor:
    """Share of the searches with single views that find an edge again.

    For every two consecutive views of an image, the last followed by the
    first, and from both ends of the edge: is the other end, in the second
    view, among the nearest rows to this end in the first view? Chance level
    is the share of the rows that are looked at: 0.2 %, more of fewer than
    1,000 samples and less of more than 50,000.

    Args:
        views (Views): V >= 2 of (N, D) float, norm 1.
        src (Tensor): (E,) int64, the same on all ranks.
        dst (Tensor): (E,) int64, the same on all ranks.

    Returns:
        Tensor: (E,) float32 in [0, 1], the same on all ranks.

    Raises:
        ValueError: If there is only one view.
    """
    num_views = len(views)
    if num_views < 2:
        raise ValueError(
            'whether edges are found again takes two views of every sample; '
            'set train_cfg.mining.num_views >= 2'
        )
    depth = replication_depth(len(views[0]))
    shares, found = [], []
    for _, own in own_chunks(
        len(src), _CHUNK_EDGES, src.device, description='replication'
    ):
        hits = torch.zeros(len(own), device=src.device)
        for one, other in ((src[own], dst[own]), (dst[own], src[own])):
            for view in range(num_views):
                _, nearest = nearest_rows(
                    views[view][one].float(),
                    views[(view + 1) % num_views],
                    depth,
                    exclude=one,
                )
                hits += (nearest == other.unsqueeze(1)).any(1)
        shares.append(own)
        found.append(hits / (2 * num_views))
    return gather_rows(torch.cat(shares), torch.cat(found), len(src))


def reliable_prefix(
    views: Views, src: Tensor, dst: Tensor, min_replication: float
) -> tuple[int, float]:
    """How many of the best edges are found again often enough.

    Of many edges an even sample is looked at, from the best to the worst.

    Args:
        views (Views): V >= 2 of (N, D) float, norm 1.
        src (Tensor): (E,) int64, best edge first.
        dst (Tensor): (E,) int64.
        min_replication (float): Smallest mean of :func:`edge_replication`.

    Returns:
        tuple[int, float]: The largest number of edges, from the best on, with
        that mean, and their mean; 0 and the mean of all where there is none,
        0 and 0 without edges.
    """
    if not len(src):
        return 0, 0.0
    sample = even_sample(len(src), src.device)
    found = edge_replication(views, src[sample], dst[sample]).double()
    means = found.cumsum(0) / torch.arange(
        1, len(found) + 1, device=found.device
    )
    enough = (means >= min_replication).nonzero().flatten()
    if not len(enough):
        return 0, float(means[-1])
    last = int(enough[-1])
    # The sample ends with the last edge; between two samples nothing is known.
    return int(sample[last]) + 1, float(means[last])


def even_sample(num_edges: int, device: torch.device) -> Tensor:
    """At most 4,096 positions, ascending, the last among them."""
    if num_edges <= _MAX_SAMPLE:
        return torch.arange(num_edges, device=device)
    steps = torch.arange(1, _MAX_SAMPLE + 1, device=device)
    return steps * num_edges // _MAX_SAMPLE - 1
