import pytest
import torch
import torch.nn.functional as F

from mmisl.models.miners import BaseMiner, Candidates, mean_view
from mmisl.models.miners import replication as replication_module
from mmisl.models.miners import rows as rows_module
from mmisl.models.miners.base import check_topk
from mmisl.models.miners.rows import own_chunks
from mmisl.structures import NeighborGraph

NUM_SAMPLES = 7


class ScriptedMiner(BaseMiner):
    """Proposes sample 0 to everybody, the best first, and pair (1, 2)."""

    def propose(self, views, bank, graph, seed):
        src = torch.tensor([1, 2, 3, 4, 5, 6, 0, 1])
        dst = torch.tensor([0, 0, 0, 0, 0, 0, 6, 2])
        score = torch.tensor([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2])
        return Candidates(src, dst, score.double()), dict(seed_seen=seed)


def make_inputs(num_views=2):
    feats = torch.randn(num_views + 1, NUM_SAMPLES, 5)
    views, bank = F.normalize(feats, dim=-1).split([num_views, 1])
    return views, bank[0], NeighborGraph(NUM_SAMPLES)


def edges_of(graph):
    return list(zip(*(ends.tolist() for ends in graph.edges())))


def test_mine__meets_the_quota_exactly_best_first():
    views, bank, graph = make_inputs()
    summary = ScriptedMiner().mine(views, bank, graph, 1.0, seed=5)
    assert edges_of(graph) == [(0, 1), (0, 2), (0, 3)]  # floor(7 / 2)
    assert summary.num_candidates == 8
    assert summary.num_requested == summary.num_accepted == 3
    assert summary.seconds >= 0
    assert summary.observations == dict(seed_seen=5)


def test_mine__quota_counts_existing_edges():
    views, bank, graph = make_inputs()
    graph.add_edges(torch.tensor([0, 4]), torch.tensor([1, 5]))
    summary = ScriptedMiner().mine(views, bank, graph, 1.2, seed=0)
    assert summary.num_requested == summary.num_accepted == 2
    assert edges_of(graph) == [(0, 1), (0, 2), (0, 3), (4, 5)]
    summary = ScriptedMiner().mine(views, bank, graph, 0.5, seed=0)
    assert summary.num_requested == summary.num_accepted == 0
    assert graph.num_edges == 4


def test_mine__too_few_candidates_fall_short():
    views, bank, graph = make_inputs()
    summary = ScriptedMiner().mine(views, bank, graph, 5.0, seed=0)
    assert (summary.num_requested, summary.num_accepted) == (17, 7)
    assert graph.num_edges == 7


def test_mine__max_degree_is_respected():
    views, bank, graph = make_inputs()
    ScriptedMiner(max_degree=2).mine(views, bank, graph, 5.0, seed=0)
    assert edges_of(graph) == [(0, 1), (0, 2), (1, 2)]


def test_mine__mutual_pairs_only():
    views, bank, graph = make_inputs()
    ScriptedMiner(mutual=True).mine(views, bank, graph, 5.0, seed=0)
    assert edges_of(graph) == [(0, 6)]


@pytest.mark.parametrize('slip', ['views', 'bank', 'graph'])
def test_mine__shapes_that_disagree_are_named(slip):
    inputs = dict(zip(('views', 'bank', 'graph'), make_inputs()))
    if slip == 'graph':
        inputs['graph'] = NeighborGraph(8)
    else:
        inputs[slip] = inputs[slip][..., :4]
    with pytest.raises(
        ValueError, match=r'views \[\(7, \d\)\], bank \(7, \d\).*share N and D'
    ):
        ScriptedMiner().mine(*inputs.values(), 1.0, seed=0)


@pytest.mark.parametrize('value', [float('nan'), float('inf')])
def test_mine__views_that_are_not_finite_are_refused(value):
    views, bank, graph = make_inputs()
    views[1, 3, 2] = value
    with pytest.raises(ValueError, match='views hold NaN or infinite.*lower'):
        ScriptedMiner().mine(views, bank, graph, 1.0, seed=0)
    assert graph.num_edges == 0


def test_init__max_degree_below_one_is_refused():
    with pytest.raises(ValueError, match='max_degree must be >= 1, got 0'):
        ScriptedMiner(max_degree=0)


@pytest.mark.parametrize(
    'dtype, expected_dtype',
    [
        (torch.float16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_mean_view__is_the_unit_mean(dtype, expected_dtype):
    views = make_inputs(num_views=3)[0].to(dtype)
    got = mean_view(views)
    wide = views.to(expected_dtype)
    expected = (wide[0] + wide[1] + wide[2]) / 3
    expected = expected / expected.norm(dim=1, keepdim=True)
    assert got.dtype == expected_dtype
    torch.testing.assert_close(got, expected)


def test_check_topk__below_one_is_refused():
    assert check_topk(3) == 3
    with pytest.raises(ValueError, match='topk must be >= 1, got 0'):
        check_topk(0)


@pytest.mark.parametrize(
    'num_samples, chunk_rows, num_ranks', [(7, 3, 2), (6, 3, 2), (1, 4, 3)]
)
def test_own_chunks__every_sample_once_in_equally_many_steps(
    monkeypatch, num_samples, chunk_rows, num_ranks
):
    monkeypatch.setattr(rows_module, 'get_world_size', lambda: num_ranks)
    seen, steps = {}, set()
    for rank in range(num_ranks):
        monkeypatch.setattr(rows_module, 'get_rank', lambda rank=rank: rank)
        chunks = list(
            own_chunks(
                num_samples, chunk_rows, torch.device('cpu'), description='x'
            )
        )
        steps.add(len(chunks))
        for number, rows in chunks:
            if len(rows):
                assert number not in seen
                seen[number] = rows.tolist()
    samples = [sample for number in sorted(seen) for sample in seen[number]]
    assert samples == list(range(num_samples))
    assert steps == {-(-num_samples // (chunk_rows * num_ranks))}
    assert all(rows[0] == number * chunk_rows for number, rows in seen.items())


@pytest.mark.parametrize('value', [0, -0.1, 1.01])
def test_init__min_replication_out_of_range(value):
    with pytest.raises(ValueError, match=f'min_replication.*got {value}'):
        ScriptedMiner(min_replication=value)


def test_mine__the_gate_keeps_the_best_edges_that_are_found_again():
    """Edges of shares 1, 1/2, 1/4, 0: means of 1, 3/4, 7/12 and 7/16."""
    views, bank, graph = make_inputs()
    shares = {(0, 1): 1.0, (0, 2): 0.5, (0, 3): 0.25}

    def replication(views, src, dst):
        pairs = zip(src.tolist(), dst.tolist())
        return torch.tensor([shares.get(pair, 0.0) for pair in pairs])

    for threshold, num_edges, mean in [
        (0.8, 1, 1.0),
        (0.6, 2, 0.75),
        (0.5, 3, 7 / 12),
    ]:
        graph.clear()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(replication_module, 'edge_replication', replication)
            summary = ScriptedMiner(min_replication=threshold).mine(
                views, bank, graph, 1.2, seed=0
            )
        assert edges_of(graph) == [(0, 1), (0, 2), (0, 3)][:num_edges]
        assert summary.num_accepted == num_edges
        assert summary.num_accepted + summary.num_refused == 4
        assert summary.replication == pytest.approx(mean)


def test_mine__the_gate_may_refuse_all():
    """Every search has two views of noise: no list of 2 of 7 can help it."""
    views, bank, graph = make_inputs()
    summary = ScriptedMiner(min_replication=1.0).mine(
        views, bank, graph, 1.0, seed=0
    )
    assert graph.num_edges == summary.num_accepted == 0
    assert summary.num_refused == 3
    assert 0 <= summary.replication < 1
    assert summary.as_scalars()['edges_refused'] == 3


def test_mine__one_view_says_nothing_of_replication():
    views, bank, graph = make_inputs(num_views=1)
    summary = ScriptedMiner().mine(views, bank, graph, 1.0, seed=0)
    assert summary.replication is None
    assert 'replication' not in summary.as_scalars()
    gated = ScriptedMiner(min_replication=0.5)
    assert gated.min_views == 2
    with pytest.raises(ValueError, match='num_views >= 2'):
        gated.mine(views, bank, NeighborGraph(NUM_SAMPLES), 1.0, seed=0)


def test_mine__reselect_lets_wrong_edges_leave():
    views, bank, graph = make_inputs()
    graph.add_edges(torch.tensor([3]), torch.tensor([5]))
    ScriptedMiner(reselect=True).mine(views, bank, graph, 1.0, seed=0)
    assert edges_of(graph) == [(0, 1), (0, 2), (0, 3)]
