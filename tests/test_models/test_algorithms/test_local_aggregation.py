import copy
import sys

import pytest
import torch
from mmengine.registry import DefaultScope
from mmpretrain.structures import DataSample
from reference.local_aggregation import local_aggregation_loss

from mmisl.clustering import kmeans
from mmisl.registry import MODELS

NUM_SAMPLES = 29
MODEL = dict(
    type='LocalAggregation',
    backbone=dict(
        type='mmpretrain.ResNet_CIFAR',
        depth=18,
        stem_channels=4,
        base_channels=4,
        norm_cfg=dict(type='GN', num_groups=2),
    ),
    neck=dict(type='ISLNeck', in_channels=32, out_channels=6),
    head=dict(type='LocalAggregationHead', temperature=0.2, num_background=8),
    memory=dict(type='MemoryBank', feat_dim=6),
    num_clusters=5,
    num_clusterings=3,
)
SEEDS_OF_17 = [
    711416585706541816,
    6626762216094037018,
    1068702033766167810,
]
NPID = {name: MODEL[name] for name in ('backbone', 'neck', 'memory')}


@pytest.fixture(autouse=True)
def scope():
    with DefaultScope.overwrite_default_scope('mmisl'):
        yield


def build(cfg, num_samples=NUM_SAMPLES):
    torch.manual_seed(3)
    model = MODELS.build(copy.deepcopy(cfg))
    model.set_num_samples(num_samples)
    return model


def make_batch(indices):
    generator = torch.Generator().manual_seed(5)
    images = torch.rand(len(indices), 3, 16, 16, generator=generator)
    samples = [DataSample(metainfo=dict(sample_idx=i)) for i in indices]
    return images, samples


def loss_and_gradient(model, batch):
    losses = model(*batch, mode='loss')
    (loss,) = losses.values()
    model.zero_grad()
    loss.backward()
    return losses, model.neck.projection.weight.grad.clone()


@pytest.mark.parametrize('warmup_temperature', [None, 0.5])
def test_loss__warm_start_is_npid(warmup_temperature):
    # By default the temperature is that of the head.
    head = dict(type='NPIDHead', temperature=warmup_temperature or 0.2)
    warmup_head = head if warmup_temperature else None
    own = build({**MODEL, 'warmup_head': warmup_head})
    npid = build({**NPID, 'type': 'NPID', 'head': head})
    batch = make_batch([4, 11, -1, 0])
    losses, gradient = loss_and_gradient(own, batch)
    expected, expected_gradient = loss_and_gradient(npid, batch)
    assert losses == expected
    assert gradient.abs().sum() > 0
    assert torch.equal(gradient, expected_gradient)


def test_loss__padded_copies_take_no_part():
    model = build(MODEL)
    model.mine([], 0.0, seed=1)
    images, samples = make_batch([4, -1, 11, -1, 0])
    losses = model(images, samples, mode='loss')
    assert list(losses) == ['loss_local_aggregation']
    feats = model(images[[0, 2, 4]])
    expected = local_aggregation_loss(
        feats.double(),
        [4, 11, 0],
        model.clusters.assignments.tolist(),
        model.memory.bank.double(),
        temperature=0.2,
        num_background=8,
    )
    torch.testing.assert_close(
        losses['loss_local_aggregation'].double(), expected
    )


def test_mine__clusters_the_bank():
    model = build({**MODEL, 'num_clusterings': 2, 'num_iters': 7})
    summary = model.mine([], 0.0, seed=17)
    found = [
        kmeans(model.memory.bank, 5, seed=seed, num_iters=7)
        for seed in SEEDS_OF_17[:2]
    ]
    assert not torch.equal(found[0].assignments, found[1].assignments)
    assert torch.equal(
        model.clusters.assignments,
        torch.stack([one.assignments for one in found]),
    )
    mean = (found[0].inertia + found[1].inertia) / 2
    assert summary.inertia == pytest.approx(mean, rel=1e-9)
    assert summary.num_empty == 0


def test_mine__clusters_without_a_sample_are_counted():
    # All rows are one: faiss fills one cluster of five.
    model = build(MODEL)
    model.memory.replace(torch.eye(6)[:1].expand(NUM_SAMPLES, 6))
    assert model.mine([], 0.0, seed=17).num_empty == 3 * 4


def test_mine__seeds(monkeypatch):
    # Of two stages, and of the clusterings of one, all differ; the same
    # stage has the same again.
    seen = []

    def record(rows, num_clusters, *, seeds, num_iters):
        seen.append(seeds)
        return torch.zeros(len(seeds), len(rows), dtype=torch.int32), 0.0

    monkeypatch.setattr(
        'mmisl.models.algorithms.local_aggregation.cluster_all', record
    )
    for seed in (17, 18, 17):
        build(MODEL).mine([], 0.0, seed=seed)
    first, second, again = seen
    assert len(set(first + second)) == 6
    assert first == again
    # Another mix would be another run.
    assert first == SEEDS_OF_17


def test_state__clusters_come_back_from_a_checkpoint():
    model, other = build(MODEL), build(MODEL)
    model.mine([], 0.0, seed=1)
    other.load_state_dict(model.state_dict())
    assert other.clusters.is_known
    assert torch.equal(other.clusters.assignments, model.clusters.assignments)


def test_set_num_samples__fewer_than_clusters():
    with pytest.raises(
        ValueError, match='4 samples cannot fill 5 clusters; lower num_clus'
    ):
        build(MODEL, num_samples=4)


@pytest.mark.parametrize(
    ('overrides', 'match'),
    [
        (dict(num_iters=0), 'num_iters must be >= 1, got 0'),
        (dict(num_clusters=0), 'num_clusters must be >= 1, got 0'),
        (dict(num_clusterings=0), 'num_clusterings must be >= 1, got 0'),
    ],
)
def test_init__refuses(overrides, match):
    with pytest.raises(ValueError, match=match):
        build({**MODEL, **overrides})


def test_set_num_samples__without_faiss(monkeypatch):
    # Nothing is trained that could not be clustered later.
    monkeypatch.setitem(sys.modules, 'faiss', None)
    with pytest.raises(ImportError, match='faiss is not installed'):
        build(MODEL)
