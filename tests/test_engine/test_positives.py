"""Score and age of edges, by what the snapshot before says of them."""

from types import SimpleNamespace

import numpy as np
import torch

from mmisl.engine.positives import graph_edges
from mmisl.structures import MiningSnapshot, NeighborGraph, ScoredEdges

ROWS = torch.eye(5)


def mined(src, dst, score):
    return SimpleNamespace(
        src=torch.tensor(src), dst=torch.tensor(dst), score=torch.tensor(score)
    )


def snapshot(round_idx):
    """Of round 1, in which (0, 2) was mined; (0, 1) is of round 0."""
    edges = ScoredEdges(
        num_samples=5,
        src=np.array([0, 0, 3], np.int32),
        dst=np.array([1, 2, 4], np.int32),
        score=np.array([0.5, 0.25, 0.75], np.float32),
        cosine=np.zeros(3, np.float32),
        added=np.array([0, 1, 0], np.uint16),
        directed=False,
    )
    return MiningSnapshot(round_idx, 1, 'ISL', '', edges, None)


def ages_and_scores(earlier):
    # (1, 4) was mined in round 2 or 3, of which there is no snapshot, and
    # (3, 4) has left the graph since.
    graph = NeighborGraph(5)
    src, dst = [0, 0, 1, 2], [1, 2, 4, 3]
    graph.add_edges(torch.tensor(src), torch.tensor(dst))
    new = mined([2], [3], [9.0])
    edges = graph_edges(graph, ROWS, new, round_idx=4, earlier=earlier)
    assert edges.src.tolist() == src and edges.dst.tolist() == dst
    return edges.added.tolist(), edges.score.tolist()


def test_graph_edges__a_round_without_snapshot_lies_between():
    ages, scores = ages_and_scores(snapshot(1))
    assert ages == [0, 1, 2, 4]
    np.testing.assert_array_equal(scores, [0.5, 0.25, np.nan, 9.0])


def test_graph_edges__without_any_snapshot_before():
    ages, scores = ages_and_scores(None)
    assert ages == [0, 0, 0, 4]
    np.testing.assert_array_equal(scores, [np.nan, np.nan, np.nan, 9.0])
