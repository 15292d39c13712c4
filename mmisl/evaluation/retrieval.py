"""Whether the nearest images are of the same class."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import normalize

from mmisl.ops import nearest_rows


def retrieval_recall(
    feats: Tensor,
    labels: Tensor,
    *,
    gallery: Tensor | None = None,
    gallery_labels: Tensor | None = None,
    ks: Sequence[int] = (1, 5, 10),
) -> dict[str, float]:
    """Recall@k: queries with one of their class among the k nearest rows.

    The measure of metric learning (Oh Song et al., CVPR 2016): a query scores
    1 where any of its k nearest rows by cosine is of its class. The search is
    exact; of equal cosines the smaller row comes first.

    Args:
        feats (Tensor): (Q, D) float, finite, any length.
        labels (Tensor): (Q,) int64.
        gallery (Tensor, optional): (M, D) float to look in. Defaults to
            ``feats``, every query without itself.
        gallery_labels (Tensor, optional): (M,) int64, with ``gallery``.
        ks (Sequence[int]): Each at least 1. Defaults to (1, 5, 10).

    Returns:
        dict[str, float]: ``recall@k`` in percent.

    Raises:
        ValueError: If a k is smaller than 1, shapes disagree, or a query has
            no other image to look at.
    """
    if not ks or min(ks) < 1:
        raise ValueError(f'ks must be at least 1 each, got {tuple(ks)}')
    if (gallery is None) != (gallery_labels is None):
        raise ValueError('gallery and gallery_labels go together')
    queries = normalize(feats.float())
    exclude = None
    if gallery is None or gallery_labels is None:
        if len(feats) < 2:
            raise ValueError(
                'retrieval needs at least 2 images to compare, got '
                f'{len(feats)}; give more images or a gallery'
            )
        gallery, gallery_labels = queries, labels
        exclude = torch.arange(len(feats), device=feats.device)
    else:
        gallery = normalize(gallery.float())
    _, rows = nearest_rows(
        queries, gallery, max(ks), exclude=exclude, description='retrieval'
    )
    found = gallery_labels.to(rows.device)[rows]
    same = found == labels.to(rows.device)[:, None]  # (Q, k)
    return {
        f'recall@{k}': 100 * same[:, :k].any(1).double().mean().item()
        for k in ks
    }
