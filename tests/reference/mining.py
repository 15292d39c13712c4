"""Mining rule around proxies, and the choice of edges.

Source of :func:`mine_view`: official code, ``lib/LinearAverage.py``, mining
stage. :func:`select_edges` has no counterpart there (the released code
overshoots its quota and caps nothing); it states the rule of this project.
"""

from __future__ import annotations

import math

from torch import Tensor

from .scalars import by_falling_similarity, cosine


def mine_view(
    proxies: Tensor,
    scores: Tensor,
    bank: Tensor,
    *,
    score_thr: float,
    sim_thr: float,
    topk: int,
) -> list[tuple[int, int, float, float]]:
    """Candidates that the proxies of one view propose.

    Args:
        proxies (Tensor): (N, D) float, ``p*`` of every sample.
        scores (Tensor): (N,) float in (0, 1), ``s = D(a, p*, n)``.
        bank (Tensor): (N, D) float.
        score_thr (float): A proxy counts if its score is LARGER.
        sim_thr (float): R, the threshold of a proxy with score 1.
        topk (int): Rows looked at per proxy, the sample's own not among them.

    Returns:
        list[tuple[int, int, float, float]]: ``(i, j, cosine, threshold)``
        with ``cosine > threshold = R + (1 - s) (1 - R)``, by rising i, then
        falling cosine.
    """
    candidates = []
    for i, (proxy, score) in enumerate(zip(proxies, scores, strict=True)):
        if not score > score_thr:
            continue
        threshold = sim_thr + (1 - score) * (1 - sim_thr)
        similarities = [cosine(proxy, row) for row in bank]
        others = [j for j in range(len(bank)) if j != i]
        for j in by_falling_similarity(others, similarities)[:topk]:
            if similarities[j] > threshold:
                candidates.append(
                    (i, j, similarities[j].item(), threshold.item())
                )
    return candidates


def select_edges(
    candidates: list[tuple[int, int, float]],
    existing: set[frozenset[int]],
    *,
    num_samples: int,
    quota: float,
    max_degree: int | None = None,
    mutual: bool = False,
) -> list[tuple[int, int]]:
    """Take the best candidates until the graph holds its quota.

    Args:
        candidates (list[tuple[int, int, float]]): ``(i, j, score)``, i
            proposes j; the same pair may come often and from both ends, and
            counts with its best score.
        existing (set[frozenset[int]]): Undirected edges of the graph so far.
        num_samples (int): N.
        quota (float): Mean neighbours per sample to stop at: existing and new
            undirected edges are at most ``floor(quota * N / 2)`` together,
            or the existing ones alone where they are more.
        max_degree (int | None): A pair is passed over if either end already
            has so many neighbours.
        mutual (bool): Only pairs proposed from both ends.

    Returns:
        list[tuple[int, int]]: New edges as (smaller, larger) index, by
        falling score, in a tie by rising pair.
    """
    proposed = {(i, j) for i, j, _ in candidates}
    best_score: dict[tuple[int, int], float] = {}
    for i, j, score in candidates:
        pair = (min(i, j), max(i, j))
        if i == j or frozenset(pair) in existing:
            continue
        if mutual and (j, i) not in proposed:
            continue
        best_score[pair] = max(score, best_score.get(pair, -math.inf))

    degree = [0] * num_samples
    for edge in existing:
        for sample in edge:
            degree[sample] += 1
    room = math.floor(quota * num_samples / 2) - len(existing)
    edges: list[tuple[int, int]] = []
    for pair in sorted(best_score, key=lambda pair: (-best_score[pair], pair)):
        if len(edges) >= room:
            break
        largest = max(degree[pair[0]], degree[pair[1]])
        if max_degree is not None and largest >= max_degree:
            continue
        edges.append(pair)
        degree[pair[0]] += 1
        degree[pair[1]] += 1
    return edges
