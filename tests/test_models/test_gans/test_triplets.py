import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.triplets import (
    draw_allowed,
    hardest_negative,
    semi_hard_negative,
)
from scipy.stats import chisquare
from torch.utils._python_dispatch import TorchDispatchMode

from mmisl.models.gans import TripletSampler
from mmisl.models.gans.triplets import draw_non_neighbors
from mmisl.structures import NeighborGraph

EDGES = [(0, 3), (0, 7), (0, 10), (3, 7), (1, 2), (4, 10), (9, 10), (5, 10)]
NUM_SAMPLES = 11
BATCHES = dict(some=[7, 6, 0, 10], none=[6, 8], all=[9, 0, 7, 0, 5])
DTYPES = [torch.float32, torch.float64]


def unit_rows(num_rows, feat_dim=5, dtype=torch.float64):
    return F.normalize(torch.randn(num_rows, feat_dim, dtype=dtype), dim=1)


def make_graph(num_samples=NUM_SAMPLES, edges=EDGES):
    graph = NeighborGraph(num_samples)
    graph.add_edges(*torch.tensor(edges, dtype=torch.int64).view(-1, 2).T)
    return graph


def own_and_neighbors(graph, sample):
    _, neighbors = graph.neighbors(torch.tensor([sample]))
    return {sample, *neighbors.tolist()}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_draw_non_neighbors__excluded_rows_never_and_others_all(data):
    num_samples = data.draw(st.integers(2, 9))
    sample = st.integers(0, num_samples - 1)
    edges = data.draw(st.lists(st.tuples(sample, sample), max_size=20))
    graph = make_graph(num_samples, edges)
    free = (graph.degrees < num_samples - 1).nonzero().flatten().tolist()
    if not free:
        return
    batch = data.draw(st.lists(st.sampled_from(free), min_size=1, max_size=5))
    draws = draw_non_neighbors(torch.tensor(batch), graph, 400, seeded())
    assert draws.shape == (len(batch), 400)
    for row, i in zip(draws, batch, strict=True):
        # 400 draws miss one of at most 8 rows once in 10^23.
        allowed = set(range(num_samples)) - own_and_neighbors(graph, i)
        assert set(row.tolist()) == allowed


# A hub with all others but one, rows of 0 to 6 neighbours, an empty graph.
HUB = [(20, j) for j in range(1, 41) if j != 20]
GRAPHS = dict(
    small=(NUM_SAMPLES, EDGES, [7, 6, 0, 10, 8, 0]),
    hub=(41, [*HUB, *((3, j) for j in range(30, 35))], [20, 0, 1, 3, 40]),
    first_and_last=(12, [(0, 11), (0, 1), (11, 10)], [0, 11, 5, 1]),
    none=(5, [], [0, 4, 2]),
)


@pytest.mark.parametrize('case', GRAPHS.values(), ids=GRAPHS)
def test_draw_non_neighbors__same_rows_as_the_oracle(case):
    num_samples, edges, batch = case
    graph = make_graph(num_samples, edges)
    draws = draw_non_neighbors(torch.tensor(batch), graph, 200, seeded(7))
    uniform = torch.rand(
        len(batch), 200, generator=seeded(7), dtype=torch.float64
    )
    for row, i, numbers in zip(draws, batch, uniform, strict=True):
        excluded = own_and_neighbors(graph, i)
        expected = draw_allowed(numbers.tolist(), num_samples, excluded)
        assert row.tolist() == expected


def test_draw_non_neighbors__makes_no_table_as_wide_as_a_hub():
    graph = make_graph(5000, [(0, j) for j in range(1, 4000)])
    widths = []

    class Widths(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            result = func(*args, **(kwargs or {}))
            if isinstance(result, torch.Tensor) and result.dim() == 2:
                widths.append(result.shape[1])
            return result

    assert graph.max_degree == 3999
    with Widths():
        draw_non_neighbors(torch.arange(6), graph, 7, seeded())
    assert set(widths) == {1, 7}


@pytest.mark.parametrize('sample', [0, 1, 6, 10])
def test_draw_non_neighbors__is_uniform(sample):
    graph = make_graph()
    batch = torch.tensor([sample, 7])
    draws = draw_non_neighbors(batch, graph, 20000, seeded(1))
    counts = torch.bincount(draws[0], minlength=NUM_SAMPLES)
    excluded = own_and_neighbors(graph, sample)
    allowed = [j for j in range(NUM_SAMPLES) if j not in excluded]
    assert counts.sum() == counts[allowed].sum() == 20000
    assert chisquare(counts[allowed]).pvalue > 1e-3


def test_draw_non_neighbors__rows_of_a_batch_are_independent():
    draws = draw_non_neighbors(
        torch.tensor([6, 6]), make_graph(), 20000, seeded(2)
    )
    pairs = torch.bincount(draws[0] * NUM_SAMPLES + draws[1], minlength=121)
    pairs = pairs.view(11, 11)
    allowed = [j for j in range(11) if j != 6]
    assert chisquare(pairs[allowed][:, allowed].flatten()).pvalue > 1e-3


def test_draw_non_neighbors__no_row_left_is_explained():
    graph = make_graph(4, [(1, 0), (1, 2), (1, 3)])
    with pytest.raises(ValueError, match='all 3 others.*quota_per_round'):
        draw_non_neighbors(torch.tensor([0, 1]), graph, 5, seeded())


@pytest.mark.parametrize('num_draws', [1, 3, 40])
@pytest.mark.parametrize('negative', ['hardest', 'semi_hard'])
@pytest.mark.parametrize('positive', ['self', 'mined'])
@pytest.mark.parametrize('batch', BATCHES.values(), ids=BATCHES)
@pytest.mark.parametrize('dtype', DTYPES)
def test_sample__matches_oracle(dtype, batch, positive, negative, num_draws):
    # With 1 draw the drawn rows are looked up, with more the whole bank is
    # compared.
    graph, bank = make_graph(), unit_rows(NUM_SAMPLES, dtype=dtype)
    anchors = unit_rows(len(batch), dtype=dtype)
    sampler = TripletSampler(num_draws, positive, negative)
    positives, negatives = sampler.sample(
        anchors, torch.tensor(batch), bank, graph, seeded(3)
    )
    draws = replayed_draws(sampler, batch, graph, seeded(3))
    for row, i in enumerate(batch):
        excluded = own_and_neighbors(graph, i)
        chosen = int(positives[row])
        assert chosen in (excluded if positive == 'mined' else {i})
        arguments = (anchors[row], draws[row], bank, excluded)
        if negative == 'hardest':
            expected = hardest_negative(*arguments)
        else:
            expected = semi_hard_negative(*arguments, positive=bank[chosen])
        assert negatives[row] == expected


def replayed_draws(sampler, batch, graph, generator):
    """The draws of a call, from a generator in the same state."""
    sample_idx = torch.tensor(batch)
    if sampler.positive == 'mined':
        torch.rand(len(batch), generator=generator)
    return draw_non_neighbors(
        sample_idx, graph, sampler.num_draws, generator
    ).tolist()


def test_sample__mined_positives_are_uniform():
    graph, bank = make_graph(), unit_rows(NUM_SAMPLES)
    batch = torch.tensor([0, 10, 8]).repeat(8000)
    positives, _ = TripletSampler(1, 'mined').sample(
        bank[batch], batch, bank, graph, seeded(4)
    )
    for i in (0, 10):
        counts = torch.bincount(positives[batch == i], minlength=NUM_SAMPLES)
        members = sorted(own_and_neighbors(graph, i))
        assert counts[members].sum() == 8000
        assert chisquare(counts[members]).pvalue > 1e-3
    assert (positives[batch == 8] == 8).all()


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_sample__never_mixes_positives_and_negatives(data):
    num_samples = data.draw(st.integers(3, 9))
    sample = st.integers(0, num_samples - 1)
    edges = data.draw(st.lists(st.tuples(sample, sample), max_size=12))
    graph = make_graph(num_samples, edges)
    if int(graph.degrees.max()) == num_samples - 1:
        return
    bank = unit_rows(num_samples)
    positives, negatives = TripletSampler(6, 'mined', 'semi_hard').sample(
        bank, torch.arange(num_samples), bank, graph, seeded(5)
    )
    for i in range(num_samples):
        assert int(positives[i]) in own_and_neighbors(graph, i)
        assert int(negatives[i]) not in own_and_neighbors(graph, i)


def test_sample__semi_hard_is_below_the_positive():
    # Cosines to the anchor: positive 0.5; draws 0.9, 0.4 and -0.2.
    bank = F.pad(torch.tensor([0.5, 0.9, 0.4, -0.2]).view(-1, 1), (0, 1))
    bank[:, 1] = (1 - bank[:, 0] ** 2).sqrt()
    anchor = torch.tensor([[1.0, 0.0]])
    for negative, expected in (('semi_hard', 2), ('hardest', 1)):
        _, chosen = TripletSampler(200, negative=negative).sample(
            anchor, torch.tensor([0]), bank, NeighborGraph(4), seeded(6)
        )
        assert chosen.tolist() == [expected]


def test_sample__without_semi_hard_the_furthest_is_taken():
    bank = F.pad(torch.tensor([-0.9, 0.9, 0.4, -0.2]).view(-1, 1), (0, 1))
    bank[:, 1] = (1 - bank[:, 0] ** 2).sqrt()
    _, chosen = TripletSampler(200, negative='semi_hard').sample(
        torch.tensor([[1.0, 0.0]]),
        torch.tensor([0]),
        bank,
        NeighborGraph(4),
        seeded(6),
    )
    assert chosen.tolist() == [3]


@pytest.mark.parametrize(
    'slip, text',
    [
        (dict(num_draws=0), 'num_draws must be >= 1, got 0'),
        (dict(positive='own'), "'self' or 'mined', got 'own'"),
        (dict(negative='hard'), "'hardest' or 'semi_hard', got 'hard'"),
    ],
)
def test_init__argument_out_of_range_is_named(slip, text):
    with pytest.raises(ValueError, match=text):
        TripletSampler(**slip)
