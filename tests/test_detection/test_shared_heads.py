"""fc6 and fc7 as the shared head, beside the pretraining necks."""

import pytest
import torch
from backbones import randomize

from mmisl.models import DeepClusterNeck, PoolingNeck

pytest.importorskip('mmcv._ext', reason='needs the compiled ops of mmcv')
from mmisl.detection import AlexNetFCHead

FC = (7, 6)


def copied(head, neck):
    """The head with the layers of a neck."""
    for name in ('fc6', 'fc7'):
        layer = getattr(neck, name).state_dict()
        getattr(head, name).load_state_dict(layer)
    return head


@pytest.mark.parametrize('norm', ['BN', 'frozen'])
def test_forward__equals_the_pooling_neck(norm):
    neck = randomize(PoolingNeck(4, fc_channels=FC, map_size=3))
    head = copied(AlexNetFCHead(4, 3, FC, norm=norm), neck).eval()
    regions = torch.randn(5, 4, 3, 3)
    torch.testing.assert_close(head(regions), neck([regions]))


def test_forward__equals_the_neck_of_deepcluster():
    neck = DeepClusterNeck(4, fc_channels=FC, map_size=3).eval()
    head = copied(AlexNetFCHead(4, 3, FC, norm='none'), neck).eval()
    regions = torch.randn(5, 4, 3, 3)
    torch.testing.assert_close(head(regions), neck.hidden([regions]))


def test_dropout__behind_both_layers_in_training():
    head = AlexNetFCHead(4, 3, (300, 400), norm='none', dropout=0.25)
    with torch.no_grad():
        for layer in (head.fc6[0], head.fc7[0]):
            layer.weight.fill_(0.01)
            layer.bias.fill_(1.0)
    regions = torch.ones(40, 4, 3, 3)
    assert len(head.eval()(regions).unique()) == 1
    outputs = head.train()(regions)
    # A quarter of fc7's outputs is zero; the others differ from region to
    # region by what was dropped of fc6.
    assert abs((outputs == 0).float().mean() - 0.25) < 0.02
    assert len(outputs.max(1).values.unique()) > 20


def test_frozen__stays_in_training():
    head = AlexNetFCHead(4, 3, FC, norm='frozen', dropout=0.0)
    head.train()
    before = {k: v.clone() for k, v in head.state_dict().items()}
    head(torch.randn(8, 4, 3, 3)).sum().backward()
    for name, parameter in head.named_parameters():
        assert (parameter.grad is None) == ('.1.' in name), name
    for key, value in head.state_dict().items():
        assert torch.equal(value, before[key]), key


def test_no_regions():
    head = AlexNetFCHead(4, 3, FC).eval()
    assert head(torch.zeros(0, 4, 3, 3)).shape == (0, 6)


@pytest.mark.parametrize(
    'kwargs, match',
    [
        (dict(fc_channels=(5,)), r'outputs of fc6 and of fc7, got \(5,\)'),
        (dict(dropout=1.0), r'dropout must lie in \[0, 1\), got 1.0'),
        (dict(norm='LN'), "norm must be one of BN, frozen, none, got 'LN'"),
    ],
)
def test_arguments(kwargs, match):
    with pytest.raises(ValueError, match=match):
        AlexNetFCHead(4, 3, **{'fc_channels': FC, **kwargs})


def test_forward__regions_of_another_size():
    match = r'shape \(K, 4, 3, 3\), got \(2, 4, 6, 6\); set output_size'
    with pytest.raises(ValueError, match=match):
        AlexNetFCHead(4, 3, FC)(torch.zeros(2, 4, 6, 6))
