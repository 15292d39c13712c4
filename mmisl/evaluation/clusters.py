"""What clusters look like, and what is wrong with them."""

from __future__ import annotations

import torch
from sklearn.metrics import normalized_mutual_info_score
from torch import Tensor

# More than this share of all samples in one cluster: features collapse.
LARGEST_SHARE = 0.5


def cluster_statistics(
    assignments: Tensor, num_clusters: int, labels: Tensor | None = None
) -> dict[str, float]:
    """Describe clusterings of the samples by a few numbers.

    Labels are for reporting only; nothing here feeds back into training.

    Args:
        assignments (Tensor): (H, N) integer in [0, k).
        num_clusters (int): k.
        labels (Tensor, optional): (N,) int64, negative where unknown.

    Returns:
        dict[str, float]:

        - ``num_clusterings``, ``num_clusters``: H and k.
        - ``empty_share``: clusters without a sample, in [0, 1].
        - ``largest_share``: samples in the largest cluster, in [0, 1], the
          worst of the clusterings.
        - ``cluster_purity``: of the first clustering, share of the samples
          that are of their cluster's most frequent class, in [0, 1]. Not the
          ``purity`` of :func:`graph_statistics`, which is of pairs.
        - ``nmi``: of the first clustering, normalised mutual information
          with the classes (arithmetic mean), in [0, 1].

        The last two are left out where no sample has a known label.

    Raises:
        ValueError: If ``labels`` is not (N,).
    """
    sizes = torch.stack(
        [
            torch.bincount(row.long(), minlength=num_clusters)
            for row in assignments
        ]
    )  # (H, k)
    stats: dict[str, float] = dict(
        num_clusterings=len(assignments),
        num_clusters=num_clusters,
        empty_share=float((sizes == 0).double().mean()),
        largest_share=float(sizes.max()) / assignments.shape[1],
    )
    if labels is None:
        return stats
    if labels.shape != assignments.shape[1:]:
        raise ValueError(
            f'labels must have one entry for each of the '
            f'{assignments.shape[1]} samples, got {tuple(labels.shape)}'
        )
    labels = labels.cpu()
    known = labels >= 0
    if not known.any():
        return stats
    classes, first = labels[known], assignments[0].cpu().long()[known]
    num_classes = int(classes.max()) + 1
    table = torch.bincount(
        first * num_classes + classes, minlength=num_clusters * num_classes
    ).view(num_clusters, num_classes)
    stats['cluster_purity'] = int(table.amax(1).sum()) / len(classes)
    stats['nmi'] = float(
        normalized_mutual_info_score(classes.numpy(), first.numpy())
    )
    return stats


def cluster_warnings(stats: dict[str, float]) -> list[str]:
    """Say in one line each what went wrong in a clustering stage.

    Args:
        stats (dict[str, float]): From :func:`cluster_statistics`.

    Returns:
        list[str]: Each names the finding and what to change; empty if all is
        well.
    """
    share = stats['largest_share']
    if stats['num_clusters'] > 2 and share > LARGEST_SHARE:
        return [
            f'one cluster holds {100 * share:.0f} % of all samples; features '
            'have collapsed: lower the learning rate, or train longer before '
            'the first clustering'
        ]
    return []
