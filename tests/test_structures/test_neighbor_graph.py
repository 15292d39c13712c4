import io

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmisl.structures import NeighborGraph, neighbor_graph

DEVICES = ['cpu', 'cuda'] if torch.cuda.is_available() else ['cpu']


@st.composite
def graphs(draw):
    """N and some batches of pairs, self-loops and duplicates among them."""
    num_samples = draw(st.integers(1, 9))
    sample = st.integers(0, num_samples - 1)
    pairs = st.lists(st.tuples(sample, sample), max_size=12)
    return num_samples, draw(st.lists(pairs, max_size=4))


def columns(pairs):
    """Two (M,) int64 tensors from a list of pairs."""
    table = torch.tensor(pairs, dtype=torch.int64).view(-1, 2)
    return table[:, 0], table[:, 1]


def make_graph(num_samples, *pairs):
    graph = NeighborGraph(num_samples)
    graph.add_edges(*columns(pairs))
    return graph


def rows_of(graph):
    """The CSR arrays, read by hand."""
    bounds = graph.indptr.tolist()
    indices = graph.indices.tolist()
    return [indices[a:b] for a, b in zip(bounds[:-1], bounds[1:])]


@settings(deadline=None)
@given(graphs())
def test_add_edges__matches_sets(case):
    num_samples, batches = case
    graph = NeighborGraph(num_samples)
    model = [set() for _ in range(num_samples)]
    for pairs in batches:
        before = sum(map(len, model)) // 2
        for i, j in pairs:
            if i != j:
                model[i].add(j)
                model[j].add(i)
        after = sum(map(len, model)) // 2
        assert graph.add_edges(*columns(pairs)) == after - before
        assert graph.num_edges == after
        assert rows_of(graph) == [sorted(row) for row in model]
        assert graph.degrees.tolist() == [len(row) for row in model]
        assert graph.indptr.dtype == torch.int64
        assert graph.indices.dtype == torch.int32


@settings(deadline=None)
@given(graphs(), st.randoms())
def test_add_edges__order_does_not_matter(case, random):
    num_samples, batches = case
    whole = make_graph(num_samples, *sum(batches, []))
    shuffled = [(j, i) for i, j in sum(batches, [])]
    random.shuffle(shuffled)
    graph = NeighborGraph(num_samples)
    for pair in shuffled:
        graph.add_edges(*columns([pair]))
    assert torch.equal(graph.indptr, whole.indptr)
    assert torch.equal(graph.indices, whole.indices)


@pytest.mark.parametrize('searched', [5, 2**20])
def test_add_edges__hubs_match_sets(monkeypatch, searched):
    # Too large for hypothesis: long and short rows, searched in parts.
    monkeypatch.setattr(neighbor_graph, '_SEARCHED', searched)
    graph = NeighborGraph(200)
    model = [set() for _ in range(200)]
    for _ in range(4):
        src, dst = torch.randint(200, (2, 300))
        src[::3] = 7
        graph.add_edges(src, dst)
        for i, j in zip(src.tolist(), dst.tolist()):
            if i != j:
                model[i].add(j)
                model[j].add(i)
    assert rows_of(graph) == [sorted(row) for row in model]
    assert graph.max_degree == len(model[7]) > 100
    src, dst = torch.randint(200, (2, 999))
    expected = [j in model[i] for i, j in zip(src.tolist(), dst.tolist())]
    assert graph.contains(src, dst).tolist() == expected
    assert 0 < sum(expected) < 999


def test_max_degree__follows_every_change():
    graph = NeighborGraph()
    assert graph.max_degree == 0
    graph.set_num_samples(5)
    assert graph.max_degree == 0
    graph.add_edges(*columns([(0, 3), (3, 1)]))
    assert graph.max_degree == 2
    other = make_graph(5, (2, 0), (2, 1), (2, 3))
    graph.load_state_dict(other.state_dict())
    assert graph.max_degree == 3
    graph.clear()
    assert graph.max_degree == 0


@settings(deadline=None)
@given(graphs(), st.data())
def test_neighbors__matches_sets(case, data):
    num_samples, batches = case
    graph = make_graph(num_samples, *sum(batches, []))
    batch = data.draw(st.lists(st.integers(0, num_samples - 1)))
    row, col = graph.neighbors(torch.tensor(batch, dtype=torch.int64))
    expected = [
        (position, neighbor)
        for position, sample in enumerate(batch)
        for neighbor in rows_of(graph)[sample]
    ]
    assert list(zip(row.tolist(), col.tolist())) == expected
    assert row.dtype == col.dtype == torch.int64


@settings(deadline=None)
@given(graphs())
def test_contains__matches_sets(case):
    num_samples, batches = case
    graph = make_graph(num_samples, *sum(batches, []))
    src, dst = torch.cartesian_prod(
        torch.arange(num_samples), torch.arange(num_samples)
    ).T
    expected = [
        j in rows_of(graph)[i] for i, j in zip(src.tolist(), dst.tolist())
    ]
    assert graph.contains(src, dst).tolist() == expected


@settings(deadline=None)
@given(graphs())
def test_non_neighbors__are_all_others_in_order(case):
    num_samples, batches = case
    graph = make_graph(num_samples, *sum(batches, []))
    for i, row in enumerate(rows_of(graph)):
        others = [j for j in range(num_samples) if j not in {i, *row}]
        order = torch.arange(len(others)).unsqueeze(0)
        found = graph.non_neighbors(torch.tensor([i]), order)
        assert found.tolist() == [others]


def test_non_neighbors__more_entries_than_int32_counts():
    # One entry in memory, read as often as asked for: sample 0 holds all but
    # the last, which is the neighbour of sample 2.
    first = 2**31 + 8
    graph = NeighborGraph(5)
    graph.indptr = torch.tensor([0, first, first, *[first + 1] * 3])
    graph.indices = torch.ones(1, dtype=torch.int32).expand(first + 1)
    found = graph.non_neighbors(torch.tensor([2]), torch.arange(3)[None])
    assert found.tolist() == [[0, 3, 4]]


@settings(deadline=None)
@given(graphs())
def test_edges__each_once_and_ascending(case):
    num_samples, batches = case
    graph = make_graph(num_samples, *sum(batches, []))
    expected = sorted({(min(p), max(p)) for p in sum(batches, [])})
    src, dst = graph.edges()
    assert list(zip(src.tolist(), dst.tolist())) == [
        (i, j) for i, j in expected if i != j
    ]


def test_neighbors__example_of_docstring():
    graph = NeighborGraph(4)
    assert graph.add_edges(torch.tensor([0, 0]), torch.tensor([2, 3])) == 2
    row, col = graph.neighbors(torch.tensor([3, 0]))
    assert row.tolist() == [0, 1, 1]
    assert col.tolist() == [0, 2, 3]


def test_clear__keeps_size():
    graph = make_graph(5, (0, 3), (4, 1))
    graph.clear()
    assert graph.num_edges == 0
    assert graph.num_samples == 5
    assert graph.indices.dtype == torch.int32
    assert graph.add_edges(*columns([(3, 0)])) == 1
    assert rows_of(graph) == [[3], [], [], [0], []]


def test_clear__does_not_reach_into_a_state_dict():
    graph = make_graph(3, (0, 2))
    saved = graph.state_dict()
    graph.clear()
    assert saved['indptr'].tolist() == [0, 1, 1, 2]
    assert saved['indices'].tolist() == [2, 0]


@pytest.mark.parametrize('edges_before', [[], [(1, 2), (2, 3), (0, 4)]])
def test_load_state_dict__takes_another_number_of_edges(edges_before):
    source = make_graph(5, (0, 3), (4, 1))
    file = io.BytesIO()
    torch.save(source.state_dict(), file)
    file.seek(0)
    graph = make_graph(5, *edges_before)
    graph.load_state_dict(torch.load(file, weights_only=True))
    assert rows_of(graph) == rows_of(source)
    assert graph.indices.dtype == torch.int32
    assert graph.add_edges(*columns([(0, 3), (2, 0)])) == 1
    assert rows_of(source) == [[3], [4], [], [0], [1]]  # not shared


def test_load_state_dict__gives_an_unsized_graph_its_size():
    graph = NeighborGraph()
    assert graph.num_samples == 0
    graph.load_state_dict(make_graph(5, (0, 3)).state_dict())
    assert graph.num_samples == 5
    assert rows_of(graph) == [[3], [], [], [0], []]


def test_load_state_dict__works_inside_a_parent():
    parent = torch.nn.Sequential(NeighborGraph(3))
    parent.load_state_dict(
        torch.nn.Sequential(make_graph(3, (0, 2))).state_dict()
    )
    assert rows_of(parent[0]) == [[2], [], [0]]


def test_load_state_dict__another_size_is_refused():
    graph = make_graph(4, (0, 3))
    other = make_graph(5, (0, 4)).state_dict()
    with pytest.raises(
        ValueError, match='checkpoint is of 5.* graph of 4; use'
    ):
        graph.load_state_dict(other)
    assert rows_of(graph) == [[3], [], [], [0]]


def test_load_state_dict__unsized_into_sized_is_refused():
    with pytest.raises(ValueError, match='is of 0 samples, .* graph of 4'):
        NeighborGraph(4).load_state_dict(NeighborGraph().state_dict())


def test_load_state_dict__missing_array_is_an_error():
    state = make_graph(4, (0, 3)).state_dict()
    del state['indices']
    with pytest.raises(RuntimeError, match='Missing key.*indices'):
        NeighborGraph(4).load_state_dict(state)


def test_set_num_samples__known_size_must_not_change():
    graph = make_graph(4, (0, 3))
    graph.set_num_samples(4)
    assert graph.num_edges == 1
    with pytest.raises(ValueError, match='holds 4 samples.* set has 6'):
        graph.set_num_samples(6)
    with pytest.raises(ValueError, match='num_samples must be >= 1, got 0'):
        graph.set_num_samples(0)


def test_init__negative_size_is_refused():
    with pytest.raises(ValueError, match='must not be negative, got -1'):
        NeighborGraph(-1)


@pytest.mark.parametrize(
    'pair, name, span', [((0, 4), 'dst', '4, 4'), ((-1, 2), 'src', '-1, -1')]
)
def test_add_edges__index_out_of_range_is_named(pair, name, span):
    graph = make_graph(4, (0, 3))
    with pytest.raises(
        ValueError, match=rf'{name} must lie in \[0, 4\), got \[{span}\]'
    ):
        graph.add_edges(*columns([pair]))
    assert rows_of(graph) == [[3], [], [], [0]]


def test_add_edges__unequal_lengths_are_refused():
    with pytest.raises(
        ValueError, match=r'same length, got \(2,\) and \(1,\)'
    ):
        NeighborGraph(4).add_edges(torch.tensor([0, 1]), torch.tensor([2]))


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('dtype', [torch.int32, torch.int64])
def test_add_edges__keeps_device_and_types(dtype, device):
    graph = NeighborGraph(4).to(device)
    graph.add_edges(torch.tensor([0], dtype=dtype), torch.tensor([3]))
    assert graph.indptr.device.type == graph.indices.device.type == device
    assert graph.indptr.dtype == torch.int64
    assert graph.indices.dtype == torch.int32
    assert graph.indices.tolist() == [3, 0]


def test_to__half_precision_leaves_indices_alone():
    graph = make_graph(4, (0, 3)).half()
    assert graph.indptr.dtype == torch.int64
    assert graph.indices.dtype == torch.int32
