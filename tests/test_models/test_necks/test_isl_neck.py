import pytest
import torch
from torch.nn.functional import avg_pool2d, max_pool2d

from mmisl.models.backbones import AlexNetBN
from mmisl.models.necks import ISLNeck


def test_forward__average_pool_linear_l2():
    neck = ISLNeck(7, 5)
    feature_map = torch.rand(3, 7, 4, 2)
    pooled = feature_map.sum((2, 3)) / 8
    raw = pooled @ neck.projection.weight.T + neck.projection.bias
    expected = raw / raw.square().sum(1, keepdim=True).sqrt()
    torch.testing.assert_close(neck(feature_map), expected)
    torch.testing.assert_close(neck.pool(feature_map), pooled)


def test_forward__keeps_a_coarse_map():
    neck = ISLNeck(3, 5, map_size=2)
    feature_map = torch.rand(4, 3, 4, 6)
    pooled = avg_pool2d(feature_map, (2, 3)).flatten(1)  # (4, 12)
    raw = pooled @ neck.projection.weight.T + neck.projection.bias
    torch.testing.assert_close(neck.pool(feature_map), pooled)
    expected = raw / raw.norm(dim=1, keepdim=True)
    torch.testing.assert_close(neck(feature_map), expected)


def test_init__map_size_below_one_is_refused():
    with pytest.raises(ValueError, match='map_size must be >= 1, got 0'):
        ISLNeck(3, 5, map_size=0)


def test_forward__takes_the_last_map():
    neck = ISLNeck(7, 5)
    last = torch.rand(3, 7, 2, 2)
    torch.testing.assert_close(
        neck((torch.rand(3, 4, 8, 8), last)), neck(last)
    )


@pytest.mark.parametrize(
    ('variant', 'side', 'map_size', 'kernel', 'stride'),
    [('imagenet', 227, 6, 3, 2), ('small', 32, 4, 2, 2)],
)
def test_forward__alexnet(variant, side, map_size, kernel, stride):
    backbone = AlexNetBN(variant).eval()
    neck = ISLNeck(256, 5, fc_channels=(11, 13), map_size=map_size).eval()
    with torch.no_grad():
        feats = backbone(torch.rand(3, 3, side, side))
        pooled = max_pool2d(feats[-1], kernel, stride).flatten(1)
        torch.testing.assert_close(neck.pool(feats), pooled)
        # Fresh BN in eval mode divides by sqrt(1 + eps).
        scale = (1 + 1e-5) ** -0.5
        hidden = (pooled @ neck.fc6[0].weight.T * scale).relu()
        hidden = (hidden @ neck.fc7[0].weight.T * scale).relu()
        raw = neck.projection(hidden)
        expected = raw / raw.norm(dim=1, keepdim=True)
        torch.testing.assert_close(neck(feats), expected)


def test_state_dict__fc6_and_fc7_have_their_own_keys():
    neck = ISLNeck(3, 5, fc_channels=(11, 13), map_size=2)
    keys = {key.split('.')[0] for key in neck.state_dict()}
    assert keys == {'fc6', 'fc7', 'projection'}
    assert neck.fc6[0].weight.shape == (11, 3 * 2 * 2)
    assert neck.fc7[0].weight.shape == (13, 11)


def test_forward__autocast_gives_float32_of_norm_one():
    neck = ISLNeck(64, 128)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        raw = neck.projection(torch.rand(3, 64))
        feats = neck(torch.rand(9, 64, 2, 2))
    assert raw.dtype == torch.bfloat16  # autocast was on
    assert feats.dtype == torch.float32
    torch.testing.assert_close(
        feats.norm(dim=1), torch.ones(9), atol=1e-6, rtol=0
    )


def test_forward__zero_vector_is_finite_with_finite_gradient():
    neck = ISLNeck(4, 3)
    neck.projection.bias.data.zero_()
    feature_map = torch.zeros(2, 4, 2, 2, requires_grad=True)
    feats = neck(feature_map)
    feats.sum().backward()
    assert torch.equal(feats, torch.zeros(2, 3))
    assert torch.isfinite(feature_map.grad).all()


def test_forward__float64_stays():
    neck = ISLNeck(4, 3).double()
    assert neck(torch.rand(2, 4, 1, 1).double()).dtype == torch.float64


@pytest.mark.parametrize('shape', [(2, 5, 3, 3), (2, 4)])
def test_pool__wrong_shape(shape):
    with pytest.raises(ValueError, match=r'in_channels = 4.*got \(2, '):
        ISLNeck(4, 3).pool(torch.rand(shape))


def test_init__fc_channels_need_two_numbers():
    with pytest.raises(ValueError, match=r'two numbers.*got \(4096,\)'):
        ISLNeck(4, 3, fc_channels=(4096,))
