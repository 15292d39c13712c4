"""DeepCluster against its scalar oracle, and its clustering stage."""

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmpretrain.structures import DataSample
from reference.deepcluster import cluster_loss
from sklearn.decomposition import PCA
from tiny_run import checkpoint_of, make_config, train, write_data
from torch.nn.functional import normalize

from mmisl.clustering import kmeans
from mmisl.models import DeepCluster
from mmisl.models.algorithms import deepcluster
from mmisl.ops import ShardedRows

NUM_SAMPLES, NUM_CLUSTERS, DIM = 23, 5, 9
SAMPLE_IDX = [4, -1, 22, 0, 4, 13]
CLUSTERS = [(3 * i) % NUM_CLUSTERS for i in range(NUM_SAMPLES)]


def make_model(num_components=4, num_clusters=NUM_CLUSTERS, dropout=0.0):
    torch.manual_seed(0)
    model = DeepCluster(
        backbone=dict(type='mmisl.AlexNetBN', variant='small', sobel=True),
        neck=dict(
            type='mmisl.DeepClusterNeck',
            in_channels=256,
            fc_channels=(11, DIM),
            map_size=1,
            dropout=dropout,
        ),
        head=dict(
            type='mmisl.DeepClusterHead',
            num_clusters=num_clusters,
            in_channels=DIM,
        ),
        num_components=num_components,
    )
    model.set_num_samples(NUM_SAMPLES)
    return model


def batch_of(indices):
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(len(indices), 3, 16, 16, generator=generator)
    samples = [DataSample(metainfo=dict(sample_idx=i)) for i in indices]
    return images, samples


def test_loss__value_and_gradient_of_the_oracle():
    model = make_model().double().eval()
    model.clusters.update(torch.tensor([CLUSTERS]))
    images, samples = batch_of(SAMPLE_IDX)
    images = images.double()
    losses = model(images, samples, mode='loss')
    assert set(losses) == {'loss_cluster'}
    params = [
        model.backbone.conv1[0].weight,
        model.neck.fc6[0].weight,
        *model.neck.fc7.parameters(),
        *model.redrawn_parameters(),
    ]
    found = torch.autograd.grad(losses['loss_cluster'], params)
    hidden = model.neck.hidden(model.backbone(images))
    expected = cluster_loss(
        hidden, SAMPLE_IDX, CLUSTERS, *model.redrawn_parameters()
    )
    tolerance = dict(rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(losses['loss_cluster'], expected, **tolerance)
    for one, other in zip(found, torch.autograd.grad(expected, params)):
        assert other.abs().sum() > 0
        torch.testing.assert_close(one, other, **tolerance)


def test_loss__padding_alone_is_zero_with_a_gradient():
    model = make_model().eval()
    model.clusters.update(torch.tensor([CLUSTERS]))
    images, samples = batch_of([4, 0])
    hidden = model.neck.hidden(model.backbone(images))
    empty = model.head.loss(hidden[:0], torch.tensor([], dtype=torch.int64))
    empty['loss_cluster'].backward()
    assert empty['loss_cluster'] == 0
    assert all(p.grad.abs().sum() == 0 for p in model.redrawn_parameters())


def test_loss__before_clustering():
    model = make_model()
    with pytest.raises(RuntimeError, match='no clusters to learn from; train'):
        model(*batch_of([0, 1]), mode='loss')


def test_forward__modes():
    model = make_model(dropout=0.5).eval()
    images, _ = batch_of(range(7))
    raw = model(images, mode='cluster')
    assert (raw < 0).any()
    feats = model(images, mode='tensor')
    torch.testing.assert_close(feats, normalize(raw.relu(), dim=1))
    with pytest.raises(ValueError, match="got 'clusters'"):
        model(images, mode='clusters')


def stretched_rows():
    """Rows whose variances are far apart."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(NUM_SAMPLES, 4, generator=generator)
    return rows * torch.tensor([1e-2, 1.0, 100.0, 1e-4])


def test_mine__clusters_what_is_whitened():
    rows = stretched_rows()
    model = make_model(num_components=3, num_clusters=4)
    summary = model.mine([ShardedRows(rows, NUM_SAMPLES)], 0.0, 5)
    (found,) = model.clusters.assignments
    whitened = PCA(3, whiten=True).fit_transform(rows.double().numpy())
    for i in range(NUM_SAMPLES):
        whitened[i] /= (whitened[i] ** 2).sum() ** 0.5
    expected = kmeans(torch.from_numpy(whitened), 4, seed=5)
    assert torch.equal(found, expected.assignments)
    assert summary.inertia == pytest.approx(expected.inertia, rel=1e-4)
    assert not torch.equal(found, kmeans(rows, 4, seed=5).assignments)
    assert summary.num_empty == 0
    model.mine([rows], 0.0, 5)
    assert torch.equal(model.clusters.assignments[0], found)


def test_mine__hands_over_rows_on_the_device_of_the_network(monkeypatch):
    """Encoded on the host, where hooks would search them for hours."""
    model, moved = make_model(3), []

    def move(rows, device):
        moved.append((rows, device))
        return 'moved'

    monkeypatch.setattr(deepcluster, 'move_rows', move)
    assert model.mine([stretched_rows()], 0.0, 5).rows == 'moved'
    ((rows, device),) = moved
    assert rows.shape == (NUM_SAMPLES, 3)
    assert device == model.head.classifier.weight.device


def test_mine__draws_the_classifier_anew():
    rows = stretched_rows()
    model, other = make_model(3), make_model(3)
    drawn = []
    for seed in (5, 6, 5):
        weight, bias = model.redrawn_parameters()
        torch.nn.init.constant_(bias, 7.0)
        model.mine([rows], 0.0, seed)
        assert model.redrawn_parameters()[0] is weight
        assert (bias == 0).all()
        drawn.append(weight.detach().clone())
    assert torch.equal(drawn[0], drawn[2])
    assert not torch.equal(drawn[0], drawn[1])
    assert drawn[0].std().item() == pytest.approx(0.01, rel=0.3)
    other.mine([rows], 0.0, 5)
    assert torch.equal(other.head.classifier.weight, drawn[0])


def test_mine__too_few_directions():
    rows = stretched_rows()
    model = make_model(num_components=4)
    rows[:, 3] = rows[:, 0]
    with pytest.raises(ValueError, match='vary in 3 directions only'):
        model.mine([rows], 0.0, 5)


def test_init__components():
    with pytest.raises(ValueError, match='num_components must be >= 1, got 0'):
        make_model(num_components=0)
    with pytest.raises(ValueError, match=r'\(23\) must be smaller .* \(23\)'):
        make_model(num_components=NUM_SAMPLES)


def test_optimizer__classifier_has_no_momentum():
    model = make_model()
    model.clusters.update(torch.tensor([CLUSTERS]))
    wrapper = build_optim_wrapper(
        model,
        dict(
            type='OptimWrapper',
            constructor='mmisl.TrainableParamsConstructor',
            optimizer=dict(
                type='SGD', lr=0.05, momentum=0.9, weight_decay=1e-5
            ),
            paramwise_cfg=dict(
                custom_keys={'head.classifier': dict(momentum=0.0)}
            ),
        ),
    )
    classifier = model.redrawn_parameters()
    for group in wrapper.optimizer.param_groups:
        (param,) = group['params']
        own = any(param is one for one in classifier)
        assert group['momentum'] == (0.0 if own else 0.9)
        assert (group['lr'], group['weight_decay']) == (0.05, 1e-5)
    weight = classifier[0]
    for _ in range(3):
        before = weight.detach().clone()
        loss = model(*batch_of(SAMPLE_IDX), mode='loss')['loss_cluster']
        (grad,) = torch.autograd.grad(loss, weight, retain_graph=True)
        wrapper.update_params(loss)
        expected = before - 0.05 * (grad + 1e-5 * before)
        torch.testing.assert_close(weight, expected, rtol=1e-5, atol=1e-7)


def test_run__optimizer_forgets_the_old_classifier(tmp_path):
    data = write_data(tmp_path / 'data')
    overrides = {
        'model': dict(
            _delete_=True,
            type='DeepCluster',
            backbone=dict(type='AlexNetBN', variant='small', sobel=True),
            neck=dict(type='DeepClusterNeck', in_channels=256),
            head=dict(type='DeepClusterHead', num_clusters=5, in_channels=256),
            num_components=4,
        ),
        'train_dataloader.sampler.type': 'ClusterSampler',
        'train_cfg': dict(
            _delete_=True,
            type='RoundBasedTrainLoop',
            max_rounds=3,
            encoder=dict(first_epochs=0, max_epochs=1, val_interval=2),
        ),
        'optim_wrapper.optimizer': dict(_delete_=True, type='AdamW', lr=1e-3),
    }
    runner = train(make_config(data, tmp_path / 'run', overrides))
    saved = checkpoint_of(tmp_path / 'run', 2)['optimizer']['state']
    names = [name for name, _ in runner.model.named_parameters()]
    steps = {names[i]: int(state['step']) for i, state in saved.items()}
    assert steps.pop('head.classifier.weight') == 6
    assert steps.pop('head.classifier.bias') == 6
    assert set(steps.values()) == {12}
