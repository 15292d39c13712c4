import pytest
import torch
from torchvision.models import alexnet

from mmisl.models.backbones import AlexNetBN


@pytest.mark.parametrize(
    ('variant', 'side', 'sides'),
    [
        ('imagenet', 224, (55, 27, 13, 13, 13)),
        ('imagenet', 227, (56, 27, 13, 13, 13)),
        ('small', 32, (32, 16, 8, 8, 8)),
    ],
)
def test_forward__shapes(variant, side, sides):
    backbone = AlexNetBN(variant, out_indices=range(5)).eval()
    with torch.no_grad():
        maps = backbone(torch.rand(2, 3, side, side))
    channels = (64, 192, 384, 256, 256)
    assert [tuple(m.shape) for m in maps] == [
        (2, c, s, s) for c, s in zip(channels, sides, strict=True)
    ]
    assert all(m.min() == 0 for m in maps)  # after ReLU


def test_forward__imagenet_is_torchvision_without_bn():
    # Up to conv5 both nets are the same once BN is the identity (variance
    # plus eps is 1) and torchvision's convolutions have no bias.
    oracle = alexnet(weights=None).features[:12].eval()
    backbone = AlexNetBN('imagenet').eval()
    with torch.no_grad():
        for stage, position in enumerate((0, 3, 6, 8, 10), start=1):
            conv, norm, _ = getattr(backbone, f'conv{stage}')
            conv.weight.copy_(oracle[position].weight)
            oracle[position].bias.zero_()
            norm.running_var.fill_(1 - norm.eps)
        images = torch.rand(2, 3, 224, 224)
        torch.testing.assert_close(backbone(images)[0], oracle(images))


def test_init__stages_behind_the_last_output_are_not_built():
    backbone = AlexNetBN('small', 1, out_indices=(0, 2))
    assert [name for name, _ in backbone.named_children()] == [
        'conv1',
        'conv2',
        'conv3',
        'pool',
    ]
    shapes = [m.shape[1] for m in backbone(torch.rand(2, 1, 32, 32))]
    assert shapes == [64, 384]


def test_train__frozen_stages_keep_weights_and_statistics():
    backbone = AlexNetBN('small', frozen_stages=1).train()
    before = {k: v.clone() for k, v in backbone.state_dict().items()}
    backbone(torch.rand(3, 3, 32, 32))[0].mean().backward()
    for name, parameter in backbone.named_parameters():
        frozen = name.startswith(('conv1.', 'conv2.'))
        assert parameter.requires_grad is not frozen
        assert (parameter.grad is None) is frozen
    for name, value in backbone.state_dict().items():
        if name.endswith('running_mean'):
            unchanged = torch.equal(value, before[name])
            assert unchanged is name.startswith(('conv1.', 'conv2.'))


@pytest.mark.parametrize('norm_eval', [True, False])
def test_train__norm_eval_keeps_statistics(norm_eval):
    backbone = AlexNetBN('small', norm_eval=norm_eval).train()
    before = backbone.conv3[1].running_mean.clone()
    backbone(torch.rand(3, 3, 32, 32))
    unchanged = torch.equal(backbone.conv3[1].running_mean, before)
    assert unchanged is norm_eval
    assert all(p.requires_grad for p in backbone.parameters())


def test_init_weights__kaiming():
    backbone = AlexNetBN('small')
    backbone.conv5[0].weight.data.zero_()
    backbone.init_weights()
    # Fan-out 256 * 9 under ReLU: std sqrt(2 / 2304) = 0.0295.
    assert backbone.conv5[0].weight.std().item() == pytest.approx(
        0.0295, rel=0.02
    )


@pytest.mark.parametrize(
    ('kwargs', 'match'),
    [
        (dict(variant='cifar'), "'imagenet' or 'small', got 'cifar'"),
        (dict(variant='small', out_indices=()), r'ascending.*got \(\)'),
        (dict(variant='small', out_indices=(3, 1)), r'got \(3, 1\)'),
        (dict(variant='small', out_indices=(2, 5)), r'got \(2, 5\)'),
        (dict(variant='small', out_indices=(2, 2)), r'got \(2, 2\)'),
        (dict(variant='small', frozen_stages=5), 'frozen_stages.*got 5'),
        (dict(variant='small', frozen_stages=-2), 'frozen_stages.*got -2'),
    ],
)
def test_init__bad_argument(kwargs, match):
    with pytest.raises(ValueError, match=match):
        AlexNetBN(**kwargs)
