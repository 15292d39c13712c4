import itertools
from unittest import mock

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from reference import mining as oracle

from mmisl.models.miners import Candidates, edge_selection, select_edges
from mmisl.models.miners.edge_selection import edge_quota, trim
from mmisl.structures import NeighborGraph


def make_candidates(triples):
    src, dst, score = zip(*triples, strict=True) if triples else ((), (), ())
    return Candidates(
        torch.tensor(src, dtype=torch.int64),
        torch.tensor(dst, dtype=torch.int64),
        torch.tensor(score, dtype=torch.float64),
    )


def make_graph(num_samples, edges=()):
    graph = NeighborGraph(num_samples)
    table = torch.tensor(list(edges), dtype=torch.int64).view(-1, 2)
    graph.add_edges(*table.T)
    return graph


def select(triples, graph, quota, **options):
    chosen = select_edges(make_candidates(triples), graph, quota, **options)
    best = {}
    for src, dst, score in triples:
        pair = (min(src, dst), max(src, dst))
        best[pair] = max(score, best.get(pair, score))
    pairs = list(zip(chosen.src.tolist(), chosen.dst.tolist(), strict=True))
    assert chosen.score.tolist() == [best[pair] for pair in pairs]
    return pairs


@st.composite
def cases(draw):
    num_samples = draw(st.integers(2, 8))
    sample = st.integers(0, num_samples - 1)
    # Few different scores, so that ties are common.
    score = st.sampled_from([-1.5, 0.0, 0.25, 0.5])
    triples = draw(st.lists(st.tuples(sample, sample, score), max_size=40))
    edges = draw(st.lists(st.tuples(sample, sample), max_size=5))
    options = dict(
        max_degree=draw(st.none() | st.integers(1, 4)),
        mutual=draw(st.booleans()),
    )
    return num_samples, triples, edges, draw(st.floats(0, 8)), options


@settings(max_examples=150, deadline=None)
@given(cases())
@example((4, [(0, 1, 0.5)], [(0, 1)], 4.0, dict(max_degree=1)))
def test_select_edges__matches_greedy_oracle(case):
    num_samples, triples, edges, quota, options = case
    graph = make_graph(num_samples, edges)
    before = graph.indices.clone()
    expected = oracle.select_edges(
        triples,
        {frozenset(edge) for edge in edges if edge[0] != edge[1]},
        num_samples=num_samples,
        quota=quota,
        **options,
    )
    assert select(triples, graph, quota, **options) == expected
    assert torch.equal(graph.indices, before)


@pytest.mark.parametrize('part', [7, 1000])
@settings(max_examples=150, deadline=None)
@given(cases(), st.lists(st.integers(0, 2), min_size=40, max_size=40))
def test_trim__ranks_drop_nothing_that_is_chosen(part, case, ranks):
    num_samples, triples, edges, quota, options = case
    graph = make_graph(num_samples, edges)
    whole = make_candidates(triples)
    owner = torch.tensor(ranks[: len(triples)], dtype=torch.int64)
    with mock.patch.object(edge_selection, '_PART', part):
        kept = Candidates.cat(
            [
                trim(
                    Candidates(
                        whole.src[owner == rank].int(),
                        whole.dst[owner == rank].int(),
                        whole.score[owner == rank],
                    ),
                    graph,
                    quota,
                    **options,
                )
                for rank in range(3)
            ]
        )
    got = select_edges(kept, graph, quota, **options)
    expected = select_edges(whole, graph, quota, **options)
    for name in ('src', 'dst', 'score'):
        assert torch.equal(getattr(got, name), getattr(expected, name))


@pytest.mark.parametrize('max_degree', [None, 5])
def test_trim__keeps_no_more_than_can_be_chosen(max_degree):
    # A path, so that a cap of 5 refuses nothing.
    triples = [(i, i + 1, float(i)) for i in range(90)] * 2
    graph = make_graph(91, [(0, 1)])
    kept = trim(make_candidates(triples), graph, 0.5, max_degree=max_degree)
    room = int(0.5 * 91 / 2) - 1
    assert len(kept) == (room if max_degree is None else 2 * room)


@pytest.mark.parametrize('max_degree', [1, 2, 5, None])
@pytest.mark.parametrize('mutual', [False, True])
def test_select_edges__hubs_match_greedy_oracle(max_degree, mutual):
    # Too large for hypothesis: hubs that compete for a few places.
    generator = torch.Generator().manual_seed(0)
    src = torch.randint(60, (1500,), generator=generator)
    dst = torch.randint(60, (1500,), generator=generator)
    dst[::3] = 7
    score = torch.randint(9, (1500,), generator=generator).double()
    triples = list(zip(src.tolist(), dst.tolist(), score.tolist()))
    edges = [(7, 8), (7, 9), (1, 2)]
    options = dict(max_degree=max_degree, mutual=mutual)
    expected = oracle.select_edges(
        triples,
        {frozenset(edge) for edge in edges},
        num_samples=60,
        quota=3.0,
        **options,
    )
    graph = make_graph(60, edges)
    assert select(triples, graph, 3.0, **options) == expected
    assert len(expected) > 10
    if max_degree:
        graph.add_edges(*torch.tensor(expected).T)
        assert graph.degrees.max() <= max(max_degree, 2)


@pytest.mark.parametrize(
    'quota, num_samples, edges',
    [(0, 7, 0), (0.5, 8, 2), (0.5, 7, 1), (1.0, 7, 3), (2.0, 7, 7)],
)
def test_edge_quota__floors(quota, num_samples, edges):
    assert edge_quota(quota, num_samples) == edges


def test_edge_quota__meets_what_is_whole_but_for_float_error():
    assert edge_quota(3 * 0.35, 2000) == 1050
    for hundredths, rounds in itertools.product(range(1, 300), range(1, 5)):
        quota = rounds * (hundredths / 100)
        for num_samples in (100, 1437, 1_281_167):
            edges = rounds * hundredths * num_samples // 200
            assert edge_quota(quota, num_samples) == edges


@pytest.mark.parametrize('num_samples', [3, 1437, 1_281_167])
def test_edge_quota__half_an_edge_more_takes_none(num_samples):
    # What `plain_neighbors` asks for, so that it gets as many as it wants.
    for num_edges in (0, 1, num_samples - 1, 5 * num_samples):
        quota = 2 * num_edges / num_samples + 1 / num_samples
        assert edge_quota(quota, num_samples) == num_edges


def test_select_edges__quota_below_existing_takes_nothing():
    graph = make_graph(4, [(0, 1), (2, 3)])
    assert select([(0, 2, 1.0)], graph, 0.5) == []


def test_select_edges__nothing_proposed():
    graph = make_graph(4, [(0, 1)])
    for options in (dict(max_degree=2), dict(mutual=True), {}):
        assert select([], graph, 3.0, **options) == []


def test_cat__keeps_the_order():
    parts = [[(0, 1, 0.5)], [], [(2, 0, 0.25), (1, 2, 1.0)]]
    joined = Candidates.cat([make_candidates(part) for part in parts])
    assert len(joined) == 3
    assert joined.src.tolist() == [0, 2, 1]
    assert joined.dst.tolist() == [1, 0, 2]
    assert joined.score.tolist() == [0.5, 0.25, 1.0]


def test_gather__one_rank_is_identity():
    candidates = make_candidates([(0, 1, 0.5)])
    assert candidates.gather() is candidates
