import numpy as np
import pytest

from mmisl.structures import ScoredEdges


def make_edges(triples, num_samples=5, directed=False):
    src, dst, cosine = zip(*triples) if triples else ((), (), ())
    return ScoredEdges(
        num_samples=num_samples,
        src=np.array(src, dtype=np.int32),
        dst=np.array(dst, dtype=np.int32),
        score=np.full(len(src), np.nan, dtype=np.float32),
        cosine=np.array(cosine, dtype=np.float32),
        added=np.zeros(len(src), dtype=np.uint16),
        directed=directed,
    )


EDGES = [(0, 1, 0.5), (0, 3, 0.75), (1, 3, 0.5), (2, 3, 0.5)]


def test_nearest__undirected_by_hand():
    rows, cosine = make_edges(EDGES).nearest(2)
    assert rows.tolist() == [[3, 1], [0, 3], [3, -1], [0, 1], [-1, -1]]
    assert np.array_equal(
        cosine,
        [
            [0.75, 0.5],
            [0.5, 0.5],
            [0.5, np.nan],
            [0.75, 0.5],
            [np.nan, np.nan],
        ],
        equal_nan=True,
    )


def test_nearest__directed_by_hand():
    rows, _ = make_edges(EDGES, directed=True).nearest(3)
    assert rows.tolist() == [
        [3, 1, -1],
        [3, -1, -1],
        [3, -1, -1],
        [-1, -1, -1],
        [-1, -1, -1],
    ]


def test_nearest__no_edges():
    rows, cosine = make_edges([], num_samples=2).nearest(1)
    assert rows.tolist() == [[-1], [-1]]
    assert np.isnan(cosine).all()


def test_degrees():
    assert make_edges(EDGES).degrees.tolist() == [2, 2, 1, 3, 0]
    directed = make_edges(EDGES, directed=True)
    assert directed.degrees.tolist() == [2, 1, 1, 0, 0]


def test_bad_input():
    with pytest.raises(ValueError, match=r'dst must lie in \[0, 3\), got'):
        make_edges([(0, 3, 0.1)], num_samples=3)
    edges = make_edges(EDGES)
    with pytest.raises(ValueError, match='edges differ in length'):
        ScoredEdges(**{**vars(edges), 'score': edges.score[:2]})
    with pytest.raises(ValueError, match='k must be >= 1, got 0'):
        edges.nearest(0)
