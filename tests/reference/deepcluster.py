"""DeepCluster: cross entropy of pseudo-labels.

Source: Caron et al., "Deep Clustering for Unsupervised Learning of Visual
Features", ECCV 2018, eq. 1, and the authors' released code, ``main.py``.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .scalars import log_softmax


def cluster_loss(
    hidden: Tensor,
    sample_idx: Sequence[int],
    clusters: Sequence[int],
    weight: Tensor,
    bias: Tensor,
) -> Tensor:
    """Mean over the samples that are no padded copies.

    Args:
        hidden (Tensor): (B, D) float, features after the last ReLU.
        sample_idx (Sequence[int]): B sample indices, -1 for padded copies.
        clusters (Sequence[int]): N, the cluster of every sample.
        weight (Tensor): (k, D) float, of the classifier.
        bias (Tensor): (k,) float.

    Returns:
        Tensor: A scalar.
    """
    terms = []
    for row, sample in enumerate(sample_idx):
        if sample < 0:
            continue
        logits = [
            torch.dot(weight[c], hidden[row]) + bias[c]
            for c in range(len(bias))
        ]
        terms.append(-log_softmax(logits)[clusters[sample]])
    return torch.stack(terms).sum() / len(terms)
