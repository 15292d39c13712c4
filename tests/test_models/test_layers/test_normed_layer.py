import pytest
import torch
from torch import nn

from mmisl.models import AlexNetBN
from mmisl.models.layers import NormedLayer

CHANNELS = (3, 4, 5, 6, 7)


def images():
    return torch.rand(3, 3, 32, 32)


@pytest.mark.parametrize(
    'norm, keys',
    [
        ('BN', {'0.weight', '1.weight', '1.bias'}),
        ('frozen', {'0.weight'}),
        ('none', {'0.weight', '0.bias'}),
    ],
)
@pytest.mark.parametrize(
    'kind, shape', [(nn.Conv2d, (2, 3, 5, 4, 1)), (nn.Linear, (2, 3))]
)
def test_backward__who_learns(kind, shape, norm, keys):
    layer = NormedLayer(kind, *shape[:3], norm=norm).train()
    before = {k: v.clone() for k, v in layer.state_dict().items()}
    size = (4, 2) if kind is nn.Linear else (4, 2, 6, 7)
    layer(torch.randn(size) + 1).square().sum().backward()
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    optimizer.step()
    changed = {
        key
        for key, value in layer.state_dict().items()
        if not torch.equal(value, before[key])
    }
    statistics = {'1.running_mean', '1.running_var', '1.num_batches_tracked'}
    assert changed == keys | (statistics if norm == 'BN' else set())


def test_init__bad_norm():
    match = "norm must be one of BN, frozen, none, got 'fold'"
    with pytest.raises(ValueError, match=match):
        NormedLayer(nn.Linear, 2, 3, norm='fold')
    with pytest.raises(ValueError, match=match):
        AlexNetBN('small', norm='fold')


@pytest.mark.parametrize('norm', ['frozen', 'none'])
def test_alexnet__training_computes_what_eval_does(norm):
    backbone = AlexNetBN('small', channels=CHANNELS, norm=norm)
    backbone.init_weights()
    batch = images()
    expected = backbone.eval()(batch)[0]
    torch.testing.assert_close(backbone.train()(batch)[0], expected)
    # Through several switches of the mode, as a run with validation does.
    assert backbone.eval().train().conv1.training
    learning = {n for n, p in backbone.named_parameters() if p.requires_grad}
    entries = ('weight', 'bias') if norm == 'none' else ('weight',)
    assert learning == {
        f'conv{stage}.0.{entry}' for stage in range(1, 6) for entry in entries
    }


def test_alexnet__frozen_stages_freeze_a_bias():
    backbone = AlexNetBN('small', norm='none', frozen_stages=0)
    learning = {n for n, p in backbone.named_parameters() if p.requires_grad}
    assert not {'conv1.0.weight', 'conv1.0.bias'} & learning
    assert len(learning) == 8
