import pytest
import torch
import torch.nn.functional as F
from mmpretrain.models import MoCoV2Neck

from mmisl.models.necks import MLPNeck


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_forward__is_that_of_mmpretrain_at_unit_length(dtype):
    neck, theirs = MLPNeck(7, 5, 3).to(dtype), MoCoV2Neck(7, 5, 3).to(dtype)
    theirs.load_state_dict(neck.state_dict())
    maps = torch.randn(4, 7, 2, 3, dtype=dtype)
    feats = neck((maps,))
    torch.testing.assert_close(feats, F.normalize(theirs((maps,))[0]))
    torch.testing.assert_close(feats.norm(dim=1), torch.ones(4, dtype=dtype))
    assert torch.equal(feats, neck((torch.zeros(4, 9, 8, 8), maps)))


def test_pool__keeps_a_map_of_a_size():
    maps = torch.randn(4, 7, 4, 4)
    neck = MLPNeck(7, 5, 3, map_size=2)
    expected = maps.view(4, 7, 2, 2, 2, 2).mean((3, 5)).flatten(1)
    torch.testing.assert_close(neck.pool((maps,)), expected)
    assert neck(maps).shape == (4, 3)


def test_forward__unit_length_under_autocast():
    with torch.autocast('cpu', dtype=torch.bfloat16):
        feats = MLPNeck(7, 5, 3)(torch.randn(4, 7, 2, 2))
    assert feats.dtype == torch.float32
    torch.testing.assert_close(feats.norm(dim=1), torch.ones(4))


def test_errors__say_what_to_do():
    with pytest.raises(ValueError, match='map_size must be >= 1, got 0'):
        MLPNeck(7, 5, map_size=0)
    with pytest.raises(ValueError, match=r'in_channels = 7.*\(4, 8, 2, 2\)'):
        MLPNeck(7, 5)(torch.zeros(4, 8, 2, 2))
