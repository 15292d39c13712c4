from importlib.util import find_spec

import pytest
import torch
import torch.nn.functional as F
from reference.losses import isl_losses

from mmisl.models.heads import ISLHead
from mmisl.registry import MODELS
from mmisl.structures import NeighborGraph

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}
NUM_SAMPLES, FEAT_DIM = 11, 5
EDGES = [(0, 3), (0, 7), (3, 7), (7, 9), (1, 0), (4, 10)]
NAMES = ['loss_instance', 'loss_neighbor', 'loss_hard_positive']
BATCHES = dict(
    some=[7, 2, 0, 10],
    none=[5, 2, 8],
    all=[9, 0, 7, 4],
    twice=[0, 6, 0, 6, 0],
)


def unit_rows(num_rows, dtype=torch.float64):
    return F.normalize(torch.randn(num_rows, FEAT_DIM, dtype=dtype), dim=1)


def make_graph(edges=EDGES):
    graph = NeighborGraph(NUM_SAMPLES)
    graph.add_edges(*torch.tensor(edges, dtype=torch.int64).view(-1, 2).T)
    return graph


def neighbor_sets(edges=EDGES):
    sets = [set() for _ in range(NUM_SAMPLES)]
    for i, j in edges:
        sets[i].add(j)
        sets[j].add(i)
    return sets


def gradient(scalar, leaf):
    return torch.autograd.grad(scalar, leaf, retain_graph=True)[0]


def assert_like_oracle(head, feats, batch, bank):
    """Values and gradients of all terms, against float64 plain loops.

    A logit of size |f| / T is only known to eps |f| / T, and a gradient is
    1 / T times as steep, so a small T widens the tolerance of float32.
    """
    feats = feats.detach().requires_grad_()
    losses = head.loss(feats, torch.tensor(batch), make_graph(), bank)
    leaf = feats.detach().double().requires_grad_()
    expected = isl_losses(
        leaf,
        batch,
        neighbor_sets(),
        bank.double(),
        temperature=head.temperature,
        hard_positive_weight=head.hard_positive_weight,
        hard_positive=head.hard_positive,
        positive_reduction=head.positive_reduction,
    )
    top_logit = float(leaf.detach().norm(dim=1).max()) / head.temperature
    error = 10 * torch.finfo(feats.dtype).eps * top_logit
    tolerance = TOLERANCE[feats.dtype]
    for name in NAMES:
        assert losses[name].dtype == feats.dtype
        torch.testing.assert_close(
            losses[name].double(),
            expected[name],
            atol=max(tolerance, error),
            rtol=0,
        )
        torch.testing.assert_close(
            gradient(losses[name], feats).double(),
            gradient(expected[name], leaf),
            atol=max(tolerance, error / head.temperature),
            rtol=0,
        )


@pytest.mark.parametrize('hard_positive', ['nearest', 'hardest'])
@pytest.mark.parametrize('temperature', [0.01, 0.07, 0.3, 1.0])
@pytest.mark.parametrize('batch', BATCHES.values(), ids=BATCHES)
@pytest.mark.parametrize('positive_reduction', ['logsumexp', 'mean'])
@pytest.mark.parametrize('dtype', TOLERANCE)
def test_loss__value_and_gradient_match_oracle(
    dtype, positive_reduction, batch, temperature, hard_positive
):
    head = ISLHead(
        temperature,
        0.7,
        hard_positive=hard_positive,
        positive_reduction=positive_reduction,
    )
    feats = unit_rows(len(batch), dtype)
    bank = unit_rows(NUM_SAMPLES, dtype)
    assert_like_oracle(head, feats, batch, bank)


@pytest.mark.parametrize('dtype', TOLERANCE)
def test_loss__logits_of_a_thousand_stay_finite(dtype):
    # Features of norm 10 at T = 0.01: whoever forgot to normalise.
    head = ISLHead(0.01)
    feats, bank = unit_rows(4, dtype), unit_rows(NUM_SAMPLES, dtype)
    assert_like_oracle(head, 10 * feats, BATCHES['some'], bank)


@pytest.mark.parametrize('batch', BATCHES.values(), ids=BATCHES)
def test_loss__order_and_graph_of_the_terms(batch):
    feats = unit_rows(len(batch)).requires_grad_()
    losses = ISLHead().loss(
        feats, torch.tensor(batch), make_graph(), unit_rows(NUM_SAMPLES)
    )
    assert list(losses) == NAMES
    for value in losses.values():
        assert value.shape == ()
        assert gradient(value, feats).shape == feats.shape
    has_neighbor = {i for edge in EDGES for i in edge}
    assert (losses['loss_instance'] != 0) == bool(set(batch) - has_neighbor)
    for name in NAMES[1:]:
        assert (losses[name] != 0) == bool(set(batch) & has_neighbor)


@pytest.mark.parametrize('batch', BATCHES.values(), ids=BATCHES)
def test_loss__weight_zero_switches_hard_positive_off(batch):
    feats = unit_rows(len(batch)).requires_grad_()
    bank = unit_rows(NUM_SAMPLES)
    arguments = (feats, torch.tensor(batch), make_graph(), bank)
    off = ISLHead(hard_positive_weight=0).loss(*arguments)
    on = ISLHead(hard_positive_weight=2).loss(*arguments)
    assert off['loss_hard_positive'] == 0
    assert gradient(off['loss_hard_positive'], feats).abs().max() == 0
    for name in NAMES[:2]:
        assert off[name] == on[name]


def test_loss__graph_without_edges_is_cross_entropy():
    feats, bank = unit_rows(3), unit_rows(NUM_SAMPLES)
    batch = torch.tensor([4, 0, 10])
    losses = ISLHead(0.2).loss(feats, batch, NeighborGraph(NUM_SAMPLES), bank)
    expected = F.cross_entropy(feats @ bank.T / 0.2, batch)
    torch.testing.assert_close(losses['loss_instance'], expected)
    assert losses['loss_neighbor'] == losses['loss_hard_positive'] == 0


@pytest.mark.parametrize('mode, expected', [('nearest', 1), ('hardest', 2)])
def test_loss__hard_positive_is_chosen_in_the_bank(mode, expected):
    # The bank row of sample 0 is near row 1, its live feature near row 2.
    angles = torch.deg2rad(torch.tensor([0.0, 20.0, 100.0]).double())
    bank = torch.stack([angles.cos(), angles.sin()], dim=1)
    feats = bank[2:]
    graph = NeighborGraph(3)
    graph.add_edges(torch.tensor([0, 0]), torch.tensor([1, 2]))
    losses = ISLHead(0.5, 1.0, hard_positive=mode).loss(
        feats, torch.tensor([0]), graph, bank
    )
    log_p = (feats @ bank.T / 0.5).log_softmax(1)
    log_q = (bank[expected] @ bank.T / 0.5).log_softmax(0)
    kl = F.kl_div(log_q[None], log_p, log_target=True, reduction='sum')
    torch.testing.assert_close(losses['loss_hard_positive'], kl)


@pytest.mark.parametrize('bank_dtype', [torch.float16, torch.bfloat16])
def test_loss__half_bank_is_read_in_type_of_feats(bank_dtype):
    feats = unit_rows(4, torch.float32)
    bank = unit_rows(NUM_SAMPLES).to(bank_dtype)
    assert_like_oracle(ISLHead(0.1), feats, BATCHES['some'], bank)


@pytest.mark.parametrize('half', [torch.float16, torch.bfloat16])
def test_loss__half_feats_are_computed_in_float32(half):
    feats = unit_rows(4).to(half).requires_grad_()
    bank = unit_rows(NUM_SAMPLES, torch.float32)
    arguments = (torch.tensor(BATCHES['some']), make_graph(), bank)
    losses = ISLHead(0.1).loss(feats, *arguments)
    expected = ISLHead(0.1).loss(feats.float(), *arguments)
    for name in NAMES:
        assert losses[name].dtype == torch.float32
        assert losses[name] == expected[name]
        assert gradient(losses[name], feats).dtype == half


def test_loss__autocast_gives_float32_losses():
    layer = torch.nn.Linear(7, FEAT_DIM)
    images = torch.randn(4, 7)
    bank = unit_rows(NUM_SAMPLES, torch.float32)
    arguments = (torch.tensor(BATCHES['some']), make_graph(), bank)
    expected = ISLHead(0.1).loss(F.normalize(layer(images)), *arguments)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        raw_feats = layer(images)
        losses = ISLHead(0.1).loss(F.normalize(raw_feats), *arguments)
    assert raw_feats.dtype == torch.bfloat16
    for name in NAMES:
        assert losses[name].dtype == torch.float32
        # bfloat16 keeps 8 bits of a feature; at T = 0.1 a logit of 10 is
        # then off by 0.04 at most.
        assert losses[name] != expected[name]
        torch.testing.assert_close(
            losses[name], expected[name], atol=0.08, rtol=0
        )


def test_loss__autocast_changes_nothing_inside():
    feats = unit_rows(4, torch.float32)
    bank = unit_rows(NUM_SAMPLES, torch.float32)
    arguments = (feats, torch.tensor(BATCHES['some']), make_graph(), bank)
    expected = ISLHead(0.01).loss(*arguments)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        losses = ISLHead(0.01).loss(*arguments)
    assert losses == expected


def test_loss__graph_and_bank_of_other_sizes_are_refused():
    feats = unit_rows(1)
    with pytest.raises(
        ValueError, match='graph has 11 samples, but bank has 9 rows.* one'
    ):
        ISLHead().loss(feats, torch.tensor([0]), make_graph(), unit_rows(9))


@pytest.mark.skipif(
    find_spec('triton') is None, reason='Triton is not installed'
)
@pytest.mark.parametrize('edges', [EDGES, EDGES[:0]])
def test_loss__triton_needs_a_gpu(edges):
    feats, graph = unit_rows(1, torch.float32), make_graph(edges)
    bank = unit_rows(graph.num_samples, torch.float32)
    head = ISLHead(backend='triton')
    with pytest.raises(RuntimeError, match=r"needs CUDA.*cpu.*'torch'"):
        head.loss(feats, torch.tensor([0]), graph, bank)


@pytest.mark.parametrize(
    'slip, text',
    [
        (dict(temperature=0), 'temperature must be > 0, got 0'),
        (dict(hard_positive_weight=-1), 'weight must be >= 0, got -1'),
        (dict(hard_positive='hard'), "'nearest' or 'hardest', got 'hard'"),
        (
            dict(positive_reduction='sum'),
            "must be one of logsumexp, mean, got 'sum'",
        ),
        (dict(backend='cuda'), "backend must be one of .*got 'cuda'"),
    ],
)
def test_init__argument_out_of_range_is_named(slip, text):
    with pytest.raises(ValueError, match=text):
        MODELS.build(dict(type='ISLHead', **slip))
