import pytest
import torch
from mmcv.cnn import build_norm_layer
from mmengine.registry import DefaultScope
from torch import nn

from mmisl.models.layers import SplitBatchNorm2d

CHANNELS = 3


def make_pair(num_splits):
    """A split layer and one plain layer for each part, alike."""
    split = SplitBatchNorm2d(CHANNELS, num_splits=num_splits)
    nn.init.uniform_(split.weight)
    nn.init.uniform_(split.bias)
    parts = [nn.BatchNorm2d(CHANNELS) for _ in range(num_splits)]
    for part in parts:
        part.load_state_dict(split.state_dict())
    return split.double(), [part.double() for part in parts]


def images(batch_size):
    return torch.randn(batch_size, CHANNELS, 4, 5, dtype=torch.float64) + 2


@pytest.mark.parametrize('memory_format', ['contiguous', 'channels_last'])
@pytest.mark.parametrize('batch_size', [12, 8, 7, 5, 3, 2, 1])
@pytest.mark.parametrize('num_splits', [1, 2, 4])
def test_train__each_part_on_its_own(num_splits, batch_size, memory_format):
    split, parts = make_pair(num_splits)
    memory_format = getattr(torch, f'{memory_format}_format', None) or (
        torch.channels_last
    )
    used = parts[: min(num_splits, batch_size)]
    for _ in range(2):
        inputs = images(batch_size).to(memory_format=memory_format)
        inputs.requires_grad_()
        weights = torch.randn(batch_size, CHANNELS, 4, 5)
        found = split(inputs)
        expected = torch.empty_like(inputs)
        for index, part in enumerate(used):
            own = slice(index, None, len(used))
            expected[own] = part(inputs[own])
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)
        gradients = [
            torch.autograd.grad((output * weights).sum(), inputs)[0]
            for output in (found, expected)
        ]
        torch.testing.assert_close(*gradients, rtol=0, atol=1e-10)
        for name in ('running_mean', 'running_var'):
            mean = torch.stack([getattr(p, name) for p in used]).mean(0)
            torch.testing.assert_close(getattr(split, name), mean)
            # The next batch starts from the mean, as ranks do after an epoch.
            for part in used:
                getattr(part, name).copy_(mean)
    assert split.num_batches_tracked == 2


def test_eval__is_batch_norm_with_the_same_keys():
    split, (part, _) = make_pair(2)
    split(images(6))
    assert list(split.state_dict()) == list(part.state_dict())
    part.load_state_dict(split.state_dict())
    split.eval(), part.eval()
    inputs = images(5)
    assert torch.equal(split(inputs), part(inputs))


def test_build__by_the_norm_cfg_of_a_backbone():
    with DefaultScope.overwrite_default_scope('mmisl'):
        name, layer = build_norm_layer(
            dict(type='mmisl.SplitBN', num_splits=5), CHANNELS, postfix=1
        )
    assert name == 'bn1'
    assert isinstance(layer, SplitBatchNorm2d)
    assert layer.num_splits == 5


@pytest.mark.parametrize('batch_size', [2, 4, 5, 7])
def test_train__one_value_of_a_channel_is_refused(batch_size):
    split, _ = make_pair(4)
    inputs = images(batch_size)[..., :1, :1]
    message = (
        rf'a batch of {batch_size} rows .* num_splits=4, .* at least 8 rows'
    )
    with pytest.raises(ValueError, match=message):
        split(inputs)
    assert split.num_batches_tracked == 0
    assert split.eval()(inputs).shape == inputs.shape


def test_train__two_values_of_a_channel_are_enough():
    split, parts = make_pair(4)
    for inputs in (images(8)[..., :1, :1], images(4)[..., :1, :2]):
        found = split(inputs)
        for index, part in enumerate(parts):
            own = slice(index, None, 4)
            torch.testing.assert_close(found[own], part(inputs[own]))


def test_init__number_of_parts_is_checked():
    with pytest.raises(ValueError, match='num_splits must be >= 1, got 0'):
        SplitBatchNorm2d(CHANNELS, num_splits=0)
