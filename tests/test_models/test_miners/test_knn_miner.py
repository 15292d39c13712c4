import pytest
import torch
import torch.nn.functional as F

from mmisl.models.miners import knn_miner
from mmisl.ops import nearest_rows
from mmisl.registry import MODELS
from mmisl.structures import NeighborGraph

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}
NUM_SAMPLES = 13


def make_inputs(dtype=torch.float64, num_samples=NUM_SAMPLES):
    feats = torch.randn(4, num_samples, 5, dtype=dtype)
    views, bank = F.normalize(feats, dim=-1).split([3, 1])
    return views, bank[0], NeighborGraph(num_samples)


def make_miner(**options):
    return MODELS.build(dict(type='KNNMiner', **options))


def unit(vector):
    return vector / vector.norm()


def ranked_others(feats, i):
    """Other rows by falling cosine, and the cosines, by plain loops."""
    cosines = [float(feats[i] @ row) for row in feats]
    others = [j for j in range(len(feats)) if j != i]
    return sorted(others, key=lambda j: -cosines[j]), cosines


def plain_candidates(feats, topk, num_shared=None, skip=0):
    """What the miner shall propose, as {(i, j): score}."""
    expected = {}
    lists = [ranked_others(feats, i)[0] for i in range(len(feats))]
    for i in range(len(feats)):
        others, cosines = ranked_others(feats, i)
        for j in others[skip : skip + topk]:
            score = cosines[j]
            if num_shared is not None:
                common = set(lists[i][:num_shared]) & set(
                    lists[j][:num_shared]
                )
                score = len(common) + score / 4
            expected[i, j] = score
    return expected


def assert_proposes(miner, inputs, expected, tolerance):
    candidates, observations = miner.propose(*inputs, seed=0)
    assert observations == {}
    assert candidates.score.dtype == torch.float64
    pairs = zip(candidates.src.tolist(), candidates.dst.tolist())
    got = dict(zip(pairs, candidates.score.tolist(), strict=True))
    assert len(got) == len(candidates)  # each pair once
    assert got.keys() == expected.keys()
    for pair, score in expected.items():
        assert got[pair] == pytest.approx(score, abs=tolerance)


@pytest.mark.parametrize('chunk_rows', [1, 4, 13, 2048])
@pytest.mark.parametrize('topk', [1, 4, 12, 50])
@pytest.mark.parametrize('source', ['bank', 'mean_view'])
@pytest.mark.parametrize('dtype', TOLERANCE)
def test_propose__similarity_matches_plain_loop(
    monkeypatch, dtype, source, topk, chunk_rows
):
    monkeypatch.setattr(knn_miner, '_CHUNK_ROWS', chunk_rows)
    views, bank, graph = make_inputs(dtype)
    feats = bank
    if source == 'mean_view':
        feats = torch.stack([unit(row) for row in views.double().sum(0)])
    expected = plain_candidates(feats.double(), topk)
    miner = make_miner(topk=topk, source=source)
    assert_proposes(miner, (views, bank, graph), expected, TOLERANCE[dtype])


@pytest.mark.parametrize('topk, num_shared', [(4, 6), (6, 4), (3, 50)])
@pytest.mark.parametrize('skip', [0, 1, 5, 12])
@pytest.mark.parametrize('dtype', TOLERANCE)
def test_propose__shared_neighbors_match_plain_loop(
    dtype, skip, topk, num_shared
):
    inputs = make_inputs(dtype)
    expected = plain_candidates(inputs[1].double(), topk, num_shared, skip)
    miner = make_miner(
        topk=topk,
        skip=skip,
        ranking='shared_neighbors',
        num_shared=num_shared,
    )
    assert_proposes(miner, inputs, expected, TOLERANCE[dtype])


def test_propose__shared_neighbors_outrank_any_cosine():
    # 0 and 1 are 10 degrees apart, but their second neighbours lie on
    # opposite sides; 4, 5 and 6 are 15 apart and have each other.
    degrees = torch.tensor([0.0, 10.0, -11.0, 21.0, 120.0, 135.0, 150.0])
    angles = torch.deg2rad(degrees.double())
    bank = torch.stack([angles.cos(), angles.sin()], dim=1)
    inputs = (bank[None], bank, NeighborGraph(7))
    scores = {}
    for ranking in ('similarity', 'shared_neighbors'):
        miner = make_miner(topk=2, ranking=ranking, num_shared=2)
        candidates, _ = miner.propose(*inputs, seed=0)
        pairs = zip(candidates.src.tolist(), candidates.dst.tolist())
        scores[ranking] = dict(zip(pairs, candidates.score.tolist()))
    assert scores['similarity'][0, 1] > scores['similarity'][4, 5]
    by_shared = scores['shared_neighbors']
    assert by_shared[0, 1] < by_shared[4, 5]


def test_mine__mutual_pairs_pass_each_other_over():
    views, bank, graph = make_inputs()
    make_miner(topk=4, skip=3, mutual=True).mine(
        views, bank, graph, 9.0, seed=0
    )
    found = set(plain_candidates(bank, 4, skip=3))
    expected = {(i, j) for i, j in found if i < j and (j, i) in found}
    assert expected
    assert set(zip(*(ends.tolist() for ends in graph.edges()))) == expected


@pytest.mark.parametrize('num_samples', [2, 3])
@pytest.mark.parametrize('ranking', ['similarity', 'shared_neighbors'])
def test_mine__tiny_training_set(num_samples, ranking):
    views, bank, graph = make_inputs(num_samples=num_samples)
    make_miner(ranking=ranking).mine(views, bank, graph, 9.0, seed=0)
    assert graph.num_edges == num_samples * (num_samples - 1) // 2


@pytest.mark.parametrize('quota', [0.5, 1.0, 1.5])
def test_mine__quota_is_met_exactly(quota):
    views, bank, graph = make_inputs()
    summary = make_miner().mine(views, bank, graph, quota, seed=0)
    assert graph.num_edges == summary.num_accepted == int(quota * 13 / 2)
    # The pairs taken are the most similar ones.
    src, dst = graph.edges()
    taken = (bank[src] * bank[dst]).sum(1).min()
    cosine = (bank @ bank.T).fill_diagonal_(-2).flatten()
    assert (cosine > taken + 1e-9).sum() == 2 * (graph.num_edges - 1)


@pytest.mark.parametrize(
    'slip, text',
    [
        (dict(source='view'), "'bank' or 'mean_view', got 'view'"),
        (dict(ranking='votes'), "'shared_neighbors', got 'votes'"),
        (dict(skip=-1), 'skip must be >= 0, got -1'),
        (dict(num_shared=0), 'num_shared must be >= 1, got 0'),
    ],
)
def test_init__argument_out_of_range_is_named(slip, text):
    with pytest.raises(ValueError, match=text):
        make_miner(**slip)


def test_propose__topk_below_one_is_refused():
    with pytest.raises(ValueError, match='topk must be >= 1, got 0'):
        make_miner(topk=0).propose(*make_inputs(), seed=0)


@pytest.mark.parametrize('search', ['torch', 'faiss'])
def test_propose__exact_search_by_any_backend(search):
    if search == 'faiss':
        pytest.importorskip('faiss')
    inputs = make_inputs(torch.float32)
    expected = plain_candidates(inputs[1], 3)
    miner = make_miner(topk=3, search=search)
    assert_proposes(miner, inputs, expected, TOLERANCE[torch.float32])


def test_propose__approximate_search_is_one_call(monkeypatch):
    pytest.importorskip('faiss')
    calls = []

    def counted(*args, **kwargs):
        calls.append(kwargs['backend'])
        return nearest_rows(*args, **kwargs)

    monkeypatch.setattr(knn_miner, 'nearest_rows', counted)
    monkeypatch.setattr(knn_miner, '_CHUNK_ROWS', 4)
    views, bank, graph = make_inputs(torch.float32, num_samples=45)
    candidates, _ = make_miner(topk=2, search='faiss_ivf').propose(
        views, bank, graph, seed=0
    )
    assert calls == ['faiss_ivf']
    # A single list at this size, so that nothing is missed.
    assert len(candidates) == 45 * 2


@pytest.mark.parametrize('ranking', ['similarity', 'shared_neighbors'])
def test_mine__rows_that_a_search_missed_are_no_candidates(
    monkeypatch, ranking
):
    def half_missing(*args, **kwargs):
        similarity, row = nearest_rows(*args, **{**kwargs, 'backend': 'torch'})
        similarity[::2, 1:], row[::2, 1:] = -torch.inf, -1
        return similarity, row

    monkeypatch.setattr(knn_miner, 'nearest_rows', half_missing)
    views, bank, graph = make_inputs(torch.float32)
    miner = make_miner(topk=3, ranking=ranking, max_degree=4)
    candidates, _ = miner.propose(views, bank, graph, seed=0)
    assert len(candidates) == 7 * 1 + 6 * 3
    assert candidates.dst.min() >= 0
    assert miner.mine(views, bank, graph, 9.0, seed=0).num_accepted > 0


@pytest.mark.parametrize(
    ('miner', 'search'), [('KNNMiner', 'annoy'), ('GANMiner', 'faiss_ivf')]
)
def test_init__search_that_is_not_offered(miner, search):
    message = f'search must be one of auto, torch, faiss.*got {search!r}'
    with pytest.raises(ValueError, match=message):
        MODELS.build(dict(type=miner, search=search))


def test_propose__lists_are_compared_part_by_part(monkeypatch):
    """Long lists of many pairs would not fit into memory at once."""
    feats = F.normalize(torch.randn(40, 5), dim=1)
    miner = knn_miner.KNNMiner(3, ranking='shared_neighbors', num_shared=7)
    graph = NeighborGraph(40)
    whole, _ = miner.propose([], feats, graph, 0)
    monkeypatch.setattr(knn_miner, '_ENTRIES', 30)  # two pairs
    parts, _ = miner.propose([], feats, graph, 0)
    assert torch.equal(parts.score, whole.score)
    assert len(whole.score.round().unique()) > 2
