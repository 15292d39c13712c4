import pytest
import torch
from mmpretrain.models.backbones import MobileNetV2, ResNet, ResNetV1c
from torchvision.models import resnet18
from torchvision.models.feature_extraction import create_feature_extractor

from mmisl.models import AlexNetBN
from mmisl.models.backbones.stages import stage_maps, stage_modules

RESNET = ['stem', 'layer1', 'layer2', 'layer3', 'layer4']


def test_stage_maps__resnet_as_torchvision_gives_them():
    theirs = resnet18(weights=None).eval()
    ours = ResNet(depth=18)
    ours.eval()  # returns nothing
    state = theirs.state_dict()
    ours.load_state_dict({k: v for k, v in state.items() if k[:2] != 'fc'})
    nodes = {'relu': 'stem', **{name: name for name in RESNET[1:]}}
    images = torch.randn(2, 3, 40, 33)
    expected = create_feature_extractor(theirs, nodes)(images)
    maps = stage_maps(ours, images, RESNET)
    assert list(maps) == RESNET
    torch.testing.assert_close(maps, dict(expected))


def test_stage_maps__alexnet_as_it_returns_them():
    net = AlexNetBN('small', out_indices=(0, 1, 2, 3, 4)).eval()
    images = torch.randn(2, 3, 16, 16)
    maps = stage_maps(net, images, ['conv4', 'conv1'])
    assert list(maps) == ['conv4', 'conv1']
    returned = net(images)
    assert torch.equal(maps['conv4'], returned[3])
    assert torch.equal(maps['conv1'], returned[0])


def test_stage_maps__leave_no_hook_behind():
    net = AlexNetBN('small', out_indices=(1,)).eval()
    with pytest.raises(RuntimeError):
        stage_maps(net, torch.zeros(2, 5, 8, 8), ['conv1', 'conv2'])
    assert not net.conv1._forward_hooks
    assert not net.conv2._forward_hooks


def test_stage_modules__as_far_as_alexnet_is_built():
    names = list(stage_modules(AlexNetBN('small', out_indices=(2,))))
    assert names == ['conv1', 'conv2', 'conv3']


def test_stage_modules__deep_stem():
    net = ResNetV1c(depth=18)
    assert stage_modules(net)['stem'] is net.stem


def test_stage_modules__another_kind():
    with pytest.raises(TypeError, match='not of MobileNetV2; take one'):
        stage_modules(MobileNetV2())
