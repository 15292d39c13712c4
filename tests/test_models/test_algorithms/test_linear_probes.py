import pytest
import torch
from mmpretrain.structures import DataSample
from torch import nn
from torch.nn import functional
from torchvision.models import resnet18
from torchvision.models.feature_extraction import create_feature_extractor

from mmisl.models import LinearProbes
from mmisl.models.algorithms import linear_probes
from mmisl.models.algorithms.linear_probes import grid_side
from mmisl.registry import MODELS

SMALL = dict(
    type='mmpretrain.ResNet_CIFAR',
    depth=18,
    stem_channels=4,
    base_channels=4,
)
STAGES = ['stem', 'layer1', 'layer2', 'layer3', 'layer4']
LABELS = [2, 0, 1]


def make_probes(**kwargs):
    settings = {'backbone': dict(SMALL), 'num_classes': 3, 'image_size': 16}
    model = LinearProbes(**{**settings, **kwargs})
    model.init_weights()
    # So that statistics of a batch and running ones differ.
    for module in model.backbone.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
    return model


def samples(indices=(5, 0, 3), labels=LABELS):
    return [
        DataSample(metainfo=dict(sample_idx=i)).set_gt_label(label)
        for i, label in zip(indices, labels)
    ]


@pytest.fixture
def images():
    return torch.randn(3, 3, 16, 16)


def test_init__sizes_of_the_table_for_resnet50():
    model = LinearProbes(
        dict(type='mmpretrain.ResNet', depth=50), 7, image_size=224
    )
    sizes = [model.probes[name].fc.in_features for name in STAGES]
    assert sizes == [9216, 9216, 8192, 9216, 8192]


@pytest.mark.parametrize(
    'channels, sizes',
    [
        ((64, 192, 384, 256, 256), [9216, 9408, 9600, 9216, 9216]),
        ((96, 256, 384, 384, 256), [9600, 9216, 9600, 9600, 9216]),
    ],
)
def test_init__sizes_of_the_table_for_alexnet(channels, sizes):
    backbone = dict(type='AlexNetBN', variant='imagenet', channels=channels)
    model = LinearProbes(backbone, 7, image_size=224)
    given = [model.probes[f'conv{i}'].fc.in_features for i in range(1, 6)]
    assert given == sizes


@pytest.mark.parametrize(
    'shape, pool_values, side',
    [
        ((64, 112, 112), 10_000, 12),
        ((2048, 7, 7), 10_000, 2),
        ((4, 16, 9), 10_000, 9),  # no more cells than the map has
        ((5, 8, 8), 45, 3),  # exactly
        ((5, 8, 8), 44, 2),
        ((5, 8, 8), 5, 1),
    ],
)
def test_grid_side(shape, pool_values, side):
    assert grid_side('conv1', shape, pool_values) == side


def test_init__more_channels_than_values():
    message = r'pool_values \(7\) must be at least 8, the channels of layer2'
    with pytest.raises(ValueError, match=message):
        make_probes(pool_values=7)


def test_init__unknown_stage():
    message = r'one or more of stem, layer1, .* got layer1, conv1$'
    with pytest.raises(ValueError, match=message):
        make_probes(stages=['layer1', 'conv1'])
    with pytest.raises(ValueError, match='got none'):
        make_probes(stages=[])


def test_init_weights__classifiers_and_random_backbone():
    model = LinearProbes(dict(SMALL), 50, image_size=16)
    before = model.backbone.conv1.weight.clone()
    model.init_weights()
    assert not torch.equal(model.backbone.conv1.weight, before)
    weights = torch.cat([p.fc.weight.flatten() for p in model.probes.values()])
    assert abs(weights.std() - 0.01) < 2e-4 and abs(weights.mean()) < 2e-4
    assert all(not p.fc.bias.any() for p in model.probes.values())


def test_init_weights__random_backbone_is_said(monkeypatch):
    said = []
    monkeypatch.setattr(
        linear_probes, 'print_log', lambda text, **kwargs: said.append(text)
    )
    make_probes()
    assert said == [
        'model.checkpoint is None: the backbone has random weights'
    ]


def test_init_weights__takes_the_backbone_of_a_checkpoint(tmp_path):
    whole = make_probes()
    state = {**whole.state_dict(), 'memory.bank': torch.rand(3, 2)}
    torch.save(dict(state_dict=state), tmp_path / 'trained.pth')
    model = LinearProbes(
        dict(SMALL),
        3,
        image_size=16,
        checkpoint=str(tmp_path / 'trained.pth'),
    )
    model.init_weights()
    for key, value in whole.backbone.state_dict().items():
        assert torch.equal(model.backbone.state_dict()[key], value), key


def test_init_weights__checkpoint_of_another_network(tmp_path):
    path = tmp_path / 'other.pth'
    torch.save(dict(state_dict=make_probes().state_dict()), path)
    model = LinearProbes(
        {**SMALL, 'depth': 34}, 3, image_size=16, checkpoint=str(path)
    )
    with pytest.raises(ValueError, match='other.pth misses layer1.2'):
        model.init_weights()


def test_loss__and_its_gradients_are_those_of_plain_torch():
    theirs = resnet18(weights=None).eval()
    model = make_probes(
        backbone=dict(type='mmpretrain.ResNet', depth=18), image_size=48
    )
    state = {k: v for k, v in theirs.state_dict().items() if k[:2] != 'fc'}
    model.backbone.load_state_dict(state)
    images = torch.randn(3, 3, 48, 48)
    losses = model.train()(images, samples(), mode='loss')
    assert list(losses) == [f'loss_{name}' for name in STAGES]
    sum(losses.values()).backward()

    nodes = {'relu': 'stem', **{name: name for name in STAGES[1:]}}
    maps = create_feature_extractor(theirs, nodes)(images)
    for name, side in zip(STAGES, (12, 12, 6, 3, 2)):
        probe = model.probes[name]
        values = functional.adaptive_avg_pool2d(maps[name].detach(), side)
        weight = probe.fc.weight.detach().requires_grad_()
        bias = probe.fc.bias.detach().requires_grad_()
        expected = functional.cross_entropy(
            values.flatten(1) @ weight.T + bias, torch.tensor(LABELS)
        )
        expected.backward()
        torch.testing.assert_close(losses[f'loss_{name}'], expected)
        torch.testing.assert_close(probe.fc.weight.grad, weight.grad)
        torch.testing.assert_close(probe.fc.bias.grad, bias.grad)


def test_loss__reaches_no_tensor_of_the_backbone(images):
    model = make_probes().train()
    before = {k: v.clone() for k, v in model.backbone.state_dict().items()}
    optimizer = torch.optim.SGD(model.parameters(), 0.1, weight_decay=0.1)
    losses = model(images, samples(), mode='loss')
    sum(losses.values()).backward()
    optimizer.step()
    assert all(p.grad is None for p in model.backbone.parameters())
    after = model.backbone.state_dict()
    assert all(torch.equal(after[key], before[key]) for key in before)
    assert all(p.fc.weight.grad.any() for p in model.probes.values())


def test_train__backbone_stays_in_eval_mode():
    model = make_probes(feature_norm=True).train()
    assert model.training and model.probes['stem'].norm.training
    assert not any(m.training for m in model.backbone.modules())


def test_loss__one_stage_learns_as_it_does_beside_others(images):
    both = make_probes(stages=['layer1', 'layer3'])
    alone = make_probes(stages=['layer3'])
    alone.load_state_dict(
        {
            k: v
            for k, v in both.state_dict().items()
            if 'probes.layer1' not in k
        }
    )
    for model in (both, alone):
        optimizer = torch.optim.SGD(model.probes.parameters(), 0.5, 0.9)
        for _ in range(3):
            optimizer.zero_grad()
            sum(model(images, samples(), mode='loss').values()).backward()
            optimizer.step()
    weight = both.probes['layer3'].fc.weight
    assert torch.equal(weight, alone.probes['layer3'].fc.weight)


def test_loss__padded_copies_take_no_part(images):
    model = make_probes()
    losses = model(images, samples((5, -1, 3)), mode='loss')
    scores = model(images)
    for name in STAGES:
        expected = functional.cross_entropy(
            scores[name][[0, 2]], torch.tensor([2, 1])
        )
        torch.testing.assert_close(losses[f'loss_{name}'], expected)
    none = model(images, samples((-1, -1, -1)), mode='loss')
    sum(none.values()).backward()
    assert all(value == 0 for value in none.values())


def test_loss__an_image_without_a_label(images):
    unlabelled = [DataSample(metainfo=dict(sample_idx=i)) for i in range(3)]
    with pytest.raises(ValueError, match='needs a label of every image'):
        make_probes()(images, unlabelled, mode='loss')


def test_forward__feature_norm_and_global_pool(images):
    model = make_probes(
        stages=['layer2'], pool_values=None, feature_norm=True
    ).train()
    scores = model(images)['layer2']
    values = nn.Sequential(
        model.backbone.conv1,
        model.backbone.bn1,
        model.backbone.relu,
        model.backbone.layer1,
        model.backbone.layer2,
    )(images).mean((2, 3))
    spread = (values.var(0, unbiased=False) + 1e-5).sqrt()
    values = (values - values.mean(0)) / spread
    probe = model.probes['layer2']
    expected = functional.linear(values, probe.fc.weight, probe.fc.bias)
    torch.testing.assert_close(scores, expected)
    assert not list(probe.norm.parameters())


def test_forward__feature_norm_of_a_batch_of_one(images):
    model = make_probes(stages=['stem'], feature_norm=True).train()
    model(images)  # running statistics move
    norm = model.probes['stem'].norm
    before = norm.running_mean.clone()
    in_training = model(images[:1])['stem']
    assert torch.equal(norm.running_mean, before)
    in_test = model.eval()(images[:1])['stem']
    assert torch.equal(in_training, in_test)


def test_predict__scores_of_every_stage(images):
    model = make_probes().eval()
    done = model(images, samples(), mode='predict')
    scores = model(images)
    for row, sample in enumerate(done):
        assert list(sample.probe_scores) == STAGES
        assert torch.equal(sample.probe_scores['stem'], scores['stem'][row])
        assert sample.gt_label.item() == LABELS[row]


def test_forward__unknown_mode(images):
    with pytest.raises(ValueError, match="mode must be .* got 'tensors'"):
        make_probes()(images, mode='tensors')


def test_check_labels():
    model = make_probes()
    model.check_labels(torch.tensor([2, 0, 1, 1]))
    with pytest.raises(ValueError, match='training set has none'):
        model.check_labels(None)
    with pytest.raises(ValueError, match=r'model.num_classes is 3, .* 0 to 3'):
        model.check_labels(torch.tensor([0, 3, 1]))
    with pytest.raises(ValueError, match='no image of class 1 of 3'):
        model.check_labels(torch.tensor([0, 2, 2]))


def test_registry__builds_it_by_its_name():
    model = MODELS.build(
        dict(
            type='mmisl.LinearProbes',
            backbone=dict(SMALL),
            num_classes=3,
            image_size=16,
        )
    )
    assert isinstance(model, LinearProbes)
