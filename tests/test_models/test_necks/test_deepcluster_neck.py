import pytest
import torch
from torch.nn.functional import max_pool2d, normalize

from mmisl.models.necks import DeepClusterNeck


def test_forward__pools_globally_behind_a_resnet():
    neck = DeepClusterNeck(7)
    feature_map = torch.rand(3, 7, 4, 2)
    pooled = feature_map.sum((2, 3)) / 8
    for function in (neck.pool, neck.raw, neck.hidden):
        torch.testing.assert_close(function(feature_map), pooled)
    expected = pooled / pooled.square().sum(1, keepdim=True).sqrt()
    torch.testing.assert_close(neck((None, feature_map)), expected)
    assert not list(neck.parameters())


def test_forward__keeps_a_coarse_map():
    neck = DeepClusterNeck(3, map_size=2)
    assert neck.raw(torch.rand(4, 3, 4, 6)).shape == (4, 12)


def test_forward__alexnet():
    neck = DeepClusterNeck(256, fc_channels=(11, 13), map_size=6).eval()
    feature_map = torch.randn(4, 256, 13, 13)
    pooled = max_pool2d(feature_map, 3, 2).flatten(1)
    fc6, fc7 = neck.fc6[0], neck.fc7[0]
    inner = (pooled @ fc6.weight.T + fc6.bias).relu()
    raw = inner @ fc7.weight.T + fc7.bias
    assert (raw < 0).any()
    torch.testing.assert_close(neck.pool(feature_map), pooled)
    torch.testing.assert_close(neck.raw(feature_map), raw)
    torch.testing.assert_close(neck.hidden(feature_map), raw.relu())
    torch.testing.assert_close(neck(feature_map), normalize(raw.relu(), dim=1))


@pytest.mark.parametrize('dropout', [0.0, 0.25, 0.5])
def test_raw__drops_inputs_of_both_layers_while_training(dropout):
    neck = DeepClusterNeck(4000, fc_channels=(4000, 1), dropout=dropout)
    feature_map = torch.ones(1, 4000, 1, 1)
    seen = []
    for layer in (neck.fc6, neck.fc7):
        torch.nn.init.constant_(layer[0].weight, 1e-3)
        layer[0].register_forward_pre_hook(lambda _, args: seen.append(*args))
    neck.raw(feature_map)
    for inputs in seen:
        share = (inputs == 0).float().mean().item()
        assert share == pytest.approx(dropout, abs=0.05)
    neck.eval()
    neck.raw(feature_map)
    assert all((inputs > 0).all() for inputs in seen[2:])


def test_init_weights__those_of_the_code():
    neck = DeepClusterNeck(300, fc_channels=(200, 100))
    neck.init_weights()
    for layer in (neck.fc6[0], neck.fc7[0]):
        assert layer.weight.std().item() == pytest.approx(0.01, rel=0.05)
        assert (layer.bias == 0).all()


def test_state_dict__fc6_and_fc7_have_their_own_keys():
    neck = DeepClusterNeck(3, fc_channels=(11, 13), map_size=2)
    assert {key: tuple(v.shape) for key, v in neck.state_dict().items()} == {
        'fc6.0.weight': (11, 12),
        'fc6.0.bias': (11,),
        'fc7.0.weight': (13, 11),
        'fc7.0.bias': (13,),
    }


def test_forward__autocast_gives_float32_of_norm_one():
    neck = DeepClusterNeck(64, fc_channels=(32, 128)).eval()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        feature_map = torch.rand(9, 64, 2, 2)
        assert neck.raw(feature_map).dtype == torch.bfloat16
        feats = neck(feature_map)
    assert feats.dtype == torch.float32
    torch.testing.assert_close(
        feats.norm(dim=1), torch.ones(9), atol=1e-6, rtol=0
    )


@pytest.mark.parametrize('shape', [(2, 5, 3, 3), (2, 4)])
def test_pool__wrong_shape(shape):
    with pytest.raises(ValueError, match=r'in_channels = 4.*got \(2, '):
        DeepClusterNeck(4).pool(torch.rand(shape))


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        (dict(fc_channels=(4096,)), r'two numbers.*got \(4096,\)'),
        (dict(map_size=0), 'map_size must be >= 1, got 0'),
        (dict(dropout=1.0), r'dropout must lie in \[0, 1\), got 1.0'),
    ],
)
def test_init__refused(settings, message):
    with pytest.raises(ValueError, match=message):
        DeepClusterNeck(4, **settings)
