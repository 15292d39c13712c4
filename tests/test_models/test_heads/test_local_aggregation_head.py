import math

import pytest
import torch
import torch.nn.functional as F
from reference.local_aggregation import (
    background,
    close_neighbors,
    local_aggregation_loss,
)

from mmisl.models.heads import LocalAggregationHead
from mmisl.structures import ClusterAssignments

NUM_SAMPLES, FEAT_DIM, NUM_CLUSTERS = 23, 5, 4
BATCHES = dict(some=[7, 2, 0, 22], twice=[4, 6, 4], none=[])
NAME = 'loss_local_aggregation'


def unit_rows(num_rows, dtype=torch.float64):
    return F.normalize(torch.randn(num_rows, FEAT_DIM, dtype=dtype), dim=1)


def make_clusters(num_clusterings, num_samples=NUM_SAMPLES):
    clusters = ClusterAssignments(num_clusterings, NUM_CLUSTERS)
    clusters.set_num_samples(num_samples)
    shape = (num_clusterings, num_samples)
    clusters.update(torch.randint(NUM_CLUSTERS, shape))
    return clusters


def value_and_gradient(loss, feats):
    return loss.detach(), torch.autograd.grad(loss, feats)[0]


def assert_like_oracle(head, feats, batch, clusters, bank, **tolerance):
    feats = feats.detach().requires_grad_()
    losses = head.loss(feats, torch.tensor(batch).long(), clusters, bank)
    assert list(losses) == [NAME]
    leaf = feats.detach().double().requires_grad_()
    expected = local_aggregation_loss(
        leaf,
        batch,
        clusters.assignments.tolist(),
        bank.double(),
        temperature=head.temperature,
        num_background=head.num_background,
    )
    found = value_and_gradient(losses[NAME], feats)
    for got, wanted in zip(found, value_and_gradient(expected, leaf)):
        assert got.dtype == feats.dtype
        torch.testing.assert_close(got.double(), wanted, **tolerance)


EXACT = dict(atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize('num_background', [1, 6, 22, 23, 4096])
@pytest.mark.parametrize('num_clusterings', [1, 3])
@pytest.mark.parametrize('temperature', [0.07, 1.0])
@pytest.mark.parametrize('batch', BATCHES.values(), ids=BATCHES)
def test_loss__value_and_gradient_match_oracle(
    batch, temperature, num_clusterings, num_background
):
    head = LocalAggregationHead(temperature, num_background)
    assert_like_oracle(
        head,
        unit_rows(len(batch)),
        batch,
        make_clusters(num_clusterings),
        unit_rows(NUM_SAMPLES),
        **EXACT,
    )


def test_loss__all_of_the_background_is_close():
    clusters = make_clusters(1)
    clusters.update(torch.zeros_like(clusters.assignments))
    feats = unit_rows(4).requires_grad_()
    loss = LocalAggregationHead(0.1, 6).loss(
        feats, torch.tensor(BATCHES['some']), clusters, unit_rows(NUM_SAMPLES)
    )[NAME]
    value, gradient = value_and_gradient(loss, feats)
    torch.testing.assert_close(value.item(), -math.log(1 + 1e-7))
    torch.testing.assert_close(
        gradient, torch.zeros_like(feats), atol=1e-12, rtol=0
    )


def test_loss__nothing_close_in_the_background():
    # Sample 0 looks away from its row, alone in its cluster; sample 1 does
    # not, and still learns.
    bank = unit_rows(NUM_SAMPLES)
    clusters = make_clusters(3)
    assignments = clusters.assignments.clamp(min=1)
    assignments[:, 0] = 0
    clusters.update(assignments)
    feats = torch.stack([-bank[0], bank[1]]).requires_grad_()
    head = LocalAggregationHead(0.07, 6)
    assert 0 not in background(feats[0], bank, 6)
    assert close_neighbors(0, clusters.assignments.tolist()) == {0}
    loss = head.loss(feats, torch.tensor([0, 1]), clusters, bank)[NAME]
    value, gradient = value_and_gradient(loss, feats)
    assert gradient[0].tolist() == [0] * FEAT_DIM
    assert gradient[1].abs().sum() > 0
    alone = head.loss(feats[:1], torch.tensor([0]), clusters, bank)[NAME]
    torch.testing.assert_close(alone.item(), -math.log(1e-7))
    assert_like_oracle(head, feats, [0, 1], clusters, bank, **EXACT)


def test_loss__the_background_is_of_the_live_feature():
    # With the bank's own row in its place another set would be chosen.
    bank, clusters = unit_rows(NUM_SAMPLES), make_clusters(1)
    feats = unit_rows(1)
    assert set(background(feats[0], bank, 6)) != set(
        background(bank[7], bank, 6)
    )
    head = LocalAggregationHead(0.3, 6)
    assert_like_oracle(head, feats, [7], clusters, bank, **EXACT)


@pytest.mark.parametrize(
    'bank_dtype', [torch.float16, torch.bfloat16, torch.float32]
)
def test_loss__bank_is_read_in_type_of_feats(bank_dtype):
    assert_like_oracle(
        LocalAggregationHead(0.1, 9),
        unit_rows(4, torch.float32),
        BATCHES['some'],
        make_clusters(3),
        unit_rows(NUM_SAMPLES).to(bank_dtype),
        atol=1e-4,
        rtol=1e-5,
    )


@pytest.mark.parametrize('half', [torch.float16, torch.bfloat16])
def test_loss__half_feats_are_computed_in_float32(half):
    feats = unit_rows(4).to(half).requires_grad_()
    bank = unit_rows(NUM_SAMPLES, torch.float32)
    arguments = (torch.tensor(BATCHES['some']), make_clusters(3), bank)
    head = LocalAggregationHead(0.1, 9)
    loss = head.loss(feats, *arguments)[NAME]
    assert loss == head.loss(feats.float(), *arguments)[NAME]
    assert value_and_gradient(loss, feats)[1].dtype == half


def test_loss__autocast_changes_nothing_inside():
    feats = unit_rows(4, torch.float32)
    bank = unit_rows(NUM_SAMPLES, torch.float32)
    arguments = (torch.tensor(BATCHES['some']), make_clusters(3), bank)
    head = LocalAggregationHead(0.01, 9)
    expected = head.loss(feats, *arguments)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        assert head.loss(feats, *arguments) == expected


def test_loss__clusters_and_bank_of_other_sizes_are_refused():
    with pytest.raises(
        ValueError, match='clusters are of 23 samples.* 9 rows; both must'
    ):
        LocalAggregationHead().loss(
            unit_rows(1), torch.tensor([0]), make_clusters(1), unit_rows(9)
        )


@pytest.mark.parametrize(
    ('arguments', 'match'),
    [
        (dict(temperature=0), 'temperature must be > 0, got 0'),
        (dict(num_background=0), 'num_background must be >= 1, got 0'),
    ],
)
def test_init__out_of_range(arguments, match):
    with pytest.raises(ValueError, match=match):
        LocalAggregationHead(**arguments)
