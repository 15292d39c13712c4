import pytest
import torch
import torch.nn.functional as F
from reference.moco_isl import moco_isl_losses, moco_loss

from mmisl.models.heads import MoCoISLHead
from mmisl.models.heads.moco_isl_head import _Neighbors
from mmisl.models.memories import KeyQueue
from mmisl.registry import MODELS
from mmisl.structures import NeighborGraph

NUM_SAMPLES, FEAT_DIM = 11, 5
EDGES = [(0, 3), (0, 7), (3, 7), (7, 9), (1, 0), (4, 10), (0, 9)]
COMPLETE = [(i, j) for i in range(NUM_SAMPLES) for j in range(i)]
GRAPHS = dict(some=EDGES, complete=COMPLETE)
BATCHES = dict(
    some=[7, 2, 0, 10],
    none=[5, 2, 8],
    all=[9, 0, 7, 4],
    twice=[0, 6, 0, 6, 0],
)
# Samples of the queue's keys; -1 are those it began with.
QUEUES = dict(
    new=[-1] * 6,
    mixed=[3, -1, 8, 0, 9, 2, 7, -1],
    without=[5, 2, 8, 6],
    all_positive=[0, 3, 7, 9, 1],
    twice=[3, 0, 3, 5, 0, 3, 9],
    one=[3],
)


def unit_rows(num_rows):
    rows = torch.randn(num_rows, FEAT_DIM, dtype=torch.float64)
    return F.normalize(rows, dim=1)


def make_queue(queue_idx):
    queue = KeyQueue(len(queue_idx), FEAT_DIM).double()
    queue.sample_idx.copy_(torch.tensor(queue_idx))
    return queue


def make_graph(edges):
    graph = NeighborGraph(NUM_SAMPLES)
    if edges:
        graph.add_edges(*torch.tensor(edges).T)
    return graph


def neighbor_sets(edges):
    sets = [set() for _ in range(NUM_SAMPLES)]
    for i, j in edges:
        sets[i].add(j)
        sets[j].add(i)
    return sets


def make_draw_keys(batch):
    return torch.tensor([(1, 4, i, copy) for copy, i in enumerate(batch)])


def drawn_sets(head, batch, graph, bank):
    """What the head draws; checked for itself below."""
    mined = _Neighbors(torch.tensor(batch), graph, bank, bank)
    feats, is_there = mined.draw(head.max_positives, make_draw_keys(batch))
    rows = (feats.unsqueeze(2) == bank).all(3).int().argmax(2)
    return [set(row[there].tolist()) for row, there in zip(rows, is_there)]


def run(head, edges, batch, queue, bank, query, key):
    return head.loss(
        query,
        key,
        torch.tensor(batch),
        make_draw_keys(batch),
        queue=queue,
        graph=make_graph(edges),
        bank=bank,
    )


def gradient(scalar, leaf):
    return torch.autograd.grad(scalar, leaf, retain_graph=True)[0]


def assert_close(found, expected):
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize('temperature', [0.07, 0.2])
@pytest.mark.parametrize('num_positives', [0, 1, 4])
@pytest.mark.parametrize('queue_idx', QUEUES.values(), ids=QUEUES)
@pytest.mark.parametrize('batch', BATCHES.values(), ids=BATCHES)
@pytest.mark.parametrize('edges', GRAPHS.values(), ids=GRAPHS)
@pytest.mark.parametrize('positive_reduction', ['logsumexp', 'mean'])
def test_loss__value_and_gradient_match_oracle(
    positive_reduction, edges, batch, queue_idx, num_positives, temperature
):
    head = MoCoISLHead(
        temperature,
        max_positives=num_positives or 3,
        kl_weight=0.7,
        use_positives=num_positives > 0,
        positive_reduction=positive_reduction,
    )
    query = unit_rows(len(batch)).requires_grad_()
    key, bank = unit_rows(len(batch)), unit_rows(NUM_SAMPLES)
    queue = make_queue(queue_idx)
    losses = run(head, edges, batch, queue, bank, query, key)
    drawn = drawn_sets(head, batch, make_graph(edges), bank)
    expected = moco_isl_losses(
        query,
        key,
        batch,
        neighbor_sets(edges),
        drawn if num_positives else [set()] * len(batch),
        queue.keys,
        queue_idx,
        bank,
        temperature=temperature,
        kl_weight=0.7,
        positive_reduction=positive_reduction,
    )
    assert list(losses) == ['loss_contrastive', 'loss_hard_positive']
    for found, value in zip(losses.values(), expected):
        assert_close(found, value)
        assert_close(gradient(found, query), gradient(value, query))


@pytest.mark.parametrize('queue_idx', QUEUES.values(), ids=QUEUES)
@pytest.mark.parametrize('batch', BATCHES.values(), ids=BATCHES)
def test_loss__empty_graph_is_moco(batch, queue_idx):
    # Also where the queue holds stale keys of the batch itself.
    query = unit_rows(len(batch)).requires_grad_()
    key, queue = unit_rows(len(batch)), make_queue(queue_idx)
    losses = run(
        MoCoISLHead(), [], batch, queue, unit_rows(NUM_SAMPLES), query, key
    )
    assert losses['loss_hard_positive'] == 0
    total = sum(losses.values())
    oracle = moco_loss(query, key, queue.keys, temperature=0.2)
    head = MODELS.build(
        dict(
            type='mmpretrain.ContrastiveHead',
            loss=dict(type='mmpretrain.CrossEntropyLoss'),
            temperature=0.2,
        )
    )
    theirs = head.loss((query * key).sum(1, True), query @ queue.keys.T)
    for expected in (oracle, theirs):
        assert_close(total, expected)
        assert_close(gradient(total, query), gradient(expected, query))


def test_loss__a_neighbour_elsewhere_changes_nothing():
    batch, query, key = [2, 5, 2], unit_rows(3), unit_rows(3)
    queue, bank = make_queue([5, 3, -1, 2]), unit_rows(NUM_SAMPLES)
    without = run(MoCoISLHead(), [], batch, queue, bank, query, key)
    with_others = run(MoCoISLHead(), EDGES, batch, queue, bank, query, key)
    assert with_others['loss_hard_positive'] == 0
    assert_close(with_others['loss_contrastive'], without['loss_contrastive'])


def test_loss__weight_zero_switches_the_divergence_off():
    batch, query, key = [0, 7], unit_rows(2), unit_rows(2)
    args = (EDGES, batch, make_queue([3, 5]), unit_rows(NUM_SAMPLES))
    on = run(MoCoISLHead(), *args, query, key)
    off = run(MoCoISLHead(kl_weight=0), *args, query, key)
    assert on['loss_hard_positive'] > 0 == off['loss_hard_positive']
    assert on['loss_contrastive'] == off['loss_contrastive']


def test_loss__empty_batch():
    query = unit_rows(0).requires_grad_()
    for edges in ([], EDGES):
        losses = MoCoISLHead().loss(
            query,
            unit_rows(0),
            torch.zeros(0, dtype=torch.int64),
            torch.zeros(0, 4, dtype=torch.int64),
            queue=make_queue([3, 5]),
            graph=make_graph(edges),
            bank=unit_rows(NUM_SAMPLES),
        )
        for value in losses.values():
            assert value == 0
            assert gradient(value, query).shape == (0, FEAT_DIM)


def test_loss__queue_may_be_written_before_backward():
    query = unit_rows(2).requires_grad_()
    queue, key, bank = make_queue([3, 5]), unit_rows(2), unit_rows(NUM_SAMPLES)
    losses = run(MoCoISLHead(), EDGES, [0, 7], queue, bank, query, key)
    expected = gradient(sum(losses.values()), query)
    queue.enqueue(key, torch.tensor([0, 7]))
    assert torch.equal(gradient(sum(losses.values()), query), expected)


def test_draw__is_uniform_and_needs_no_batch():
    graph, bank = make_graph(EDGES), unit_rows(NUM_SAMPLES)
    head = MoCoISLHead(max_positives=2)
    num_draws = 3000
    batch = [0] * num_draws + [7, 5, 4]
    sets = drawn_sets(head, batch, graph, bank)
    # Sample 0 has 4 neighbours: 6 pairs, each equally likely.
    counts = {}
    for drawn in sets[:num_draws]:
        counts[frozenset(drawn)] = counts.get(frozenset(drawn), 0) + 1
    assert len(counts) == 6
    assert {j for pair in counts for j in pair} == {1, 3, 7, 9}
    sigma = (num_draws / 6 * 5 / 6) ** 0.5
    assert all(abs(n - num_draws / 6) < 4 * sigma for n in counts.values())
    assert len(sets[-3]) == 2 and sets[-3] < {0, 3, 9}
    assert sets[-2:] == [set(), {10}]
    # The same sample in another batch draws the same.
    alone = _Neighbors(torch.tensor([4, 0]), graph, bank, bank)
    feats, _ = alone.draw(2, make_draw_keys(batch)[[-1, 17]])
    rows = (feats[1].unsqueeze(1) == bank).all(2).int().argmax(1)
    assert set(rows.tolist()) == sets[17]


def test_draw__an_edge_more_moves_no_other_number():
    # With room for all but one, a new neighbour replaces one at most.
    bank = unit_rows(NUM_SAMPLES)
    head = MoCoISLHead(max_positives=3)
    (before,) = drawn_sets(head, [0], make_graph(EDGES), bank)
    (after,) = drawn_sets(head, [0], make_graph([*EDGES, (0, 2)]), bank)
    assert len(before & after) >= 2


@pytest.mark.parametrize(
    ('args', 'words'),
    [
        (dict(temperature=0), 'temperature must be > 0, got 0'),
        (dict(max_positives=0), 'max_positives must be >= 1, got 0; use_po'),
        (dict(kl_weight=-1), 'kl_weight must be >= 0, got -1'),
        (
            dict(positive_reduction='sum'),
            "must be one of logsumexp, mean, got 'sum'",
        ),
    ],
)
def test_init__arguments_are_checked(args, words):
    with pytest.raises(ValueError, match=words):
        MoCoISLHead(**args)


def test_loss__graph_and_bank_must_agree():
    with pytest.raises(ValueError, match='graph has 11 samples, but bank has'):
        run(
            MoCoISLHead(),
            EDGES,
            [0],
            make_queue([3]),
            unit_rows(9),
            unit_rows(1),
            unit_rows(1),
        )
