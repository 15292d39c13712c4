"""A folded network computes what the normalised one does in eval mode."""

import pytest
import torch
from backbones import make_resnet, randomize, save_run
from torch import nn

from mmisl.models import AlexNetBN
from mmisl.models.layers import NormedLayer
from mmisl.weights import StrictPretrained, check_loaded, fold_norm

CHANNELS = (3, 4, 5, 6, 7)
TOLERANCES = [(torch.float32, 1e-5), (torch.float64, 1e-12)]


def make_alexnet(norm, variant='imagenet', **kwargs):
    torch.manual_seed(0)
    backbone = AlexNetBN(variant, channels=CHANNELS, norm=norm, **kwargs)
    backbone.init_weights()
    return backbone


class Head(nn.Sequential):
    """fc6 and fc7 as in the neck of pretraining."""

    def __init__(self, norm):
        super().__init__()
        self.fc6 = NormedLayer(nn.Linear, 6, 5, norm=norm)
        self.fc7 = NormedLayer(nn.Linear, 5, 4, norm=norm)


def randomize_linear(head):
    """As ``randomize``, for the normalisation of vectors."""
    for layer in (head.fc6[1], head.fc7[1]):
        nn.init.uniform_(layer.weight, 0.5, 1.5)
        nn.init.uniform_(layer.bias, -0.5, 0.5)
        nn.init.uniform_(layer.running_mean, -0.2, 0.2)
        nn.init.uniform_(layer.running_var, 0.5, 1.5)
    return head.eval()


def assert_same(normed, folded, inputs, tolerance):
    """Outputs and the gradient that the inputs get."""
    inputs.requires_grad_()
    expected, given = normed(inputs), folded(inputs)
    if isinstance(expected, tuple):
        expected, given = expected[0], given[0]
    assert expected.count_nonzero() > expected.numel() / 10
    assert_close(given, expected, tolerance)
    weight = torch.randn_like(expected)
    (wanted,) = torch.autograd.grad(expected, inputs, weight)
    (got,) = torch.autograd.grad(given, inputs, weight)
    assert_close(got, wanted, tolerance)


def assert_close(given, expected, tolerance):
    scale = expected.abs().max()
    torch.testing.assert_close(
        given / scale, expected / scale, rtol=0, atol=tolerance
    )


@pytest.mark.parametrize('dtype, tolerance', TOLERANCES)
def test_fold_norm__convolutions(dtype, tolerance):
    normed = randomize(make_alexnet('BN')).to(dtype)
    folded = make_alexnet('none').to(dtype)
    folded.load_state_dict(fold_norm(normed.state_dict()), strict=True)
    assert_same(
        normed, folded, torch.randn(2, 3, 99, 83, dtype=dtype), tolerance
    )


@pytest.mark.parametrize('dtype, tolerance', TOLERANCES)
def test_fold_norm__linear_layers(dtype, tolerance):
    normed = randomize_linear(Head('BN')).to(dtype)
    folded = Head('none').to(dtype)
    folded.load_state_dict(fold_norm(normed.state_dict()), strict=True)
    assert_same(normed, folded, torch.randn(7, 6, dtype=dtype), tolerance)


def test_fold_norm__gradient_of_the_weights():
    # The chain rule by hand: the folded weight is the weight times
    # gamma / sqrt(var + eps), so its gradient times that is the weight's.
    torch.manual_seed(0)
    normed = randomize_linear(Head('frozen')).double()
    folded = Head('none').double()
    folded.load_state_dict(fold_norm(normed.state_dict()))
    inputs, weight = torch.randn(2, 9, 6, dtype=torch.float64)
    for head in (normed, folded):
        (head(inputs) * weight[:, :4]).sum().backward()
    norm = normed.fc6[1]
    factor = norm.weight / (norm.running_var + 1e-5).sqrt()
    torch.testing.assert_close(
        normed.fc6[0].weight.grad,
        folded.fc6[0].weight.grad * factor.detach()[:, None],
    )
    assert normed.fc6[0].weight.grad.abs().max() > 0


def test_fold_norm__values_by_hand():
    # y = (2 x + 1 - 3) / sqrt(4 + eps) * 6 + 5, with eps as small as 0.
    state = {
        'fc6.0.weight': torch.tensor([[2.0]]),
        'fc6.0.bias': torch.tensor([1.0]),
        'fc6.1.running_mean': torch.tensor([3.0]),
        'fc6.1.running_var': torch.tensor([4.0 - 1e-5]),
        'fc6.1.weight': torch.tensor([6.0]),
        'fc6.1.bias': torch.tensor([5.0]),
        'fc6.1.num_batches_tracked': torch.tensor(9),
        'projection.weight': torch.ones(1, 1),
    }
    before = {key: value.clone() for key, value in state.items()}
    folded = fold_norm(state)
    assert set(folded) == {'fc6.0.weight', 'fc6.0.bias', 'projection.weight'}
    assert folded['fc6.0.weight'].item() == pytest.approx(6)
    assert folded['fc6.0.bias'].item() == pytest.approx(-1)
    assert set(state) == set(before)
    for key, value in before.items():
        assert torch.equal(state[key], value), key


def test_fold_norm__one_layer_alone():
    # As below the prefix neck.fc6. of a checkpoint.
    head = randomize_linear(Head('BN'))
    folded = fold_norm(head.fc6.state_dict())
    expected = fold_norm(head.state_dict())
    assert set(folded) == {'0.weight', '0.bias'}
    for key, value in folded.items():
        assert torch.equal(value, expected[f'fc6.{key}']), key


def test_fold_norm__nothing_to_fold():
    state = Head('none').state_dict()
    folded = fold_norm(state)
    assert set(folded) == set(state)
    assert all(folded[key] is state[key] for key in state)


def test_fold_norm__other_network():
    match = (
        'cannot fold the normalisation bn1: it does not follow its layer as '
        "AlexNet's do, N.1 behind N.0; leave fold_norm out"
    )
    with pytest.raises(ValueError, match=match):
        fold_norm(make_resnet(18).state_dict())


@pytest.fixture
def run(tmp_path):
    normed = randomize(make_alexnet('BN', 'small'))
    return normed, str(save_run(normed, tmp_path / 'run.pth'))


def test_strict_pretrained__folds_on_the_way_in(run):
    normed, path = run
    init = dict(type='mmisl.StrictPretrained', checkpoint=path, fold_norm=True)
    folded = make_alexnet('none', 'small', init_cfg=init)
    assert_same(normed, folded, torch.randn(2, 3, 32, 32), 1e-5)
    check_loaded(folded, StrictPretrained(path, fold_norm=True))


def test_strict_pretrained__a_folded_network_needs_no_folding_to_resume(run):
    _, path = run
    folded = make_alexnet('none', 'small')
    StrictPretrained(path, fold_norm=True)(folded)
    resumed = make_alexnet('none', 'small')
    resumed.load_state_dict(folded.state_dict(), strict=True)
    images = torch.randn(2, 3, 32, 32)
    assert torch.equal(resumed(images)[0], folded(images)[0])


def test_strict_pretrained__says_what_is_missing_without_folding(run):
    _, path = run
    match = 'the checkpoint misses conv1.0.bias, conv2.0.bias, .* conv1.1.bias'
    with pytest.raises(ValueError, match=match):
        StrictPretrained(path)(make_alexnet('none', 'small'))
