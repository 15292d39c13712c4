import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from mmisl.ops import bank_logsumexp, bank_softmax

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}


def unit_rows(num_rows, feat_dim=5, dtype=torch.float64):
    return F.normalize(torch.randn(num_rows, feat_dim, dtype=dtype), dim=1)


def dense(feats, bank, temperature):
    """The (B, N) matrix in float64, left to torch's own functions."""
    bank = bank.double()
    logits = feats.double() @ bank.T / temperature
    return logits.logsumexp(1), logits.softmax(1) @ bank


def assert_same(got, expected, tolerance):
    """Close relative to the largest entry."""
    assert got.isfinite().all()
    scale = max(1.0, float(expected.detach().abs().max()))
    torch.testing.assert_close(
        got.double(), expected.double(), atol=tolerance * scale, rtol=0
    )


class LargestTensor(TorchDispatchMode):
    """Remembers the size of the largest tensor any operation returned."""

    def __init__(self):
        super().__init__()
        self.numel = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor):
            self.numel = max(self.numel, result.numel())
        return result


@pytest.mark.parametrize('chunk_rows', [1, 4, 11, 8192])
@pytest.mark.parametrize('temperature', [0.01, 0.07, 1.0])
@pytest.mark.parametrize('dtype', TOLERANCE)
def test_bank_softmax__value_and_gradient_match_dense(
    dtype, temperature, chunk_rows
):
    feats, bank = unit_rows(3, dtype=dtype), unit_rows(11, dtype=dtype)
    weight_lse, weight_mean = torch.randn(3), torch.randn(3, 5)
    gradients = []
    for function, options in (
        (bank_softmax, dict(chunk_rows=chunk_rows)),
        (dense, {}),
    ):
        leaf = feats.clone().requires_grad_()
        lse, mean = function(leaf, bank, temperature, **options)
        ((lse * weight_lse).sum() + (mean * weight_mean).sum()).backward()
        gradients.append((lse, mean, leaf.grad))
    for got, expected in zip(*gradients, strict=True):
        assert got.dtype == dtype
        assert_same(got, expected, TOLERANCE[dtype])


@pytest.mark.parametrize('chunk_rows', [1, 2, 3, 7])
@pytest.mark.parametrize('output', [0, 1])
def test_bank_softmax__gradcheck_of_each_output(output, chunk_rows):
    feats = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    bank = torch.randn(7, 3, dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda f: bank_softmax(f, bank, 0.5, chunk_rows=chunk_rows)[output],
        feats,
    )


@pytest.mark.parametrize('bank_dtype', [torch.float16, torch.bfloat16])
@pytest.mark.parametrize('dtype', TOLERANCE)
def test_bank_softmax__half_bank_is_read_in_type_of_feats(dtype, bank_dtype):
    feats = unit_rows(3, dtype=dtype)
    bank = unit_rows(11).to(bank_dtype)
    lse, mean = bank_softmax(feats, bank, 0.07, chunk_rows=4)
    assert lse.dtype == mean.dtype == dtype
    expected_lse, expected_mean = dense(feats, bank, 0.07)
    assert_same(lse, expected_lse, TOLERANCE[dtype])
    assert_same(mean, expected_mean, TOLERANCE[dtype])
    lse = bank_logsumexp(feats, bank, 0.07, chunk_rows=4)
    assert lse.dtype == dtype
    assert_same(lse, expected_lse, TOLERANCE[dtype])


@pytest.mark.parametrize('rows', [[0, 1, 2], [2, 1, 0], [1, 1, 1]])
@pytest.mark.parametrize('dtype', TOLERANCE)
def test_bank_softmax__logits_of_a_thousand_stay_finite(dtype, rows):
    # Logits of +-1000 and 0, the largest in the first chunk or the last.
    axis = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]], dtype=dtype)
    bank = axis[rows]
    feats = axis[:2].clone().requires_grad_()
    lse, mean = bank_softmax(feats, bank, 0.001, chunk_rows=1)
    expected_lse, expected_mean = dense(feats, bank, 0.001)
    assert_same(lse, expected_lse, TOLERANCE[dtype])
    assert_same(mean, expected_mean, TOLERANCE[dtype])
    (lse.sum() + mean.sum()).backward()
    assert feats.grad.isfinite().all()
    assert_same(
        bank_logsumexp(feats, bank, 0.001, chunk_rows=1),
        expected_lse,
        TOLERANCE[dtype],
    )


def test_bank_softmax__never_holds_the_whole_matrix():
    feats, bank = unit_rows(7), unit_rows(1000)
    feats.requires_grad_()
    with LargestTensor() as largest:
        lse, mean = bank_softmax(feats, bank, 0.07, chunk_rows=10)
        (lse.sum() + mean.sum()).backward()
        bank_logsumexp(feats, bank, 0.07, chunk_rows=10)
    # One chunk of logits has 7 * 10 entries, N log-sum-exps of chunks 7 * 100.
    assert 7 * 10 <= largest.numel <= 7 * 100


def test_bank_softmax__bank_is_a_constant():
    bank = unit_rows(11).requires_grad_()
    feats = unit_rows(3).requires_grad_()
    bank_softmax(feats, bank, 0.07)[0].sum().backward()
    assert bank.grad is None
    assert feats.grad is not None


@pytest.mark.parametrize('chunk_rows', [1, 4, 11, 8192])
@pytest.mark.parametrize('temperature', [0.01, 0.07, 1.0])
@pytest.mark.parametrize('dtype', TOLERANCE)
def test_bank_logsumexp__matches_dense(dtype, temperature, chunk_rows):
    feats = unit_rows(3, dtype=dtype).requires_grad_()
    bank = unit_rows(11, dtype=dtype)
    lse = bank_logsumexp(feats, bank, temperature, chunk_rows=chunk_rows)
    assert lse.dtype == dtype
    assert not lse.requires_grad
    assert_same(lse, dense(feats, bank, temperature)[0], TOLERANCE[dtype])


@pytest.mark.parametrize('function', [bank_softmax, bank_logsumexp])
def test_bank_softmax__bad_arguments_are_named(function):
    feats = unit_rows(3)
    with pytest.raises(ValueError, match=r'temperature must be > 0, got 0'):
        function(feats, unit_rows(11), 0)
    with pytest.raises(ValueError, match=r'bank must be .*5\).*got \(11, 4\)'):
        function(feats, unit_rows(11, 4), 0.07)
    with pytest.raises(ValueError, match=r'N >= 1.*got \(0, 5\)'):
        function(feats, torch.zeros(0, 5), 0.07)


@pytest.mark.parametrize('used', ['lse', 'mean'])
def test_bank_softmax__one_result_is_not_used(used):
    feats = unit_rows(3).requires_grad_()
    bank = unit_rows(7)
    weight = torch.randn(3, 5, dtype=torch.float64)
    grads = []
    for lse, mean in (
        bank_softmax(feats, bank, 0.3, chunk_rows=2),
        dense(feats, bank, 0.3),
    ):
        loss = lse.sum() if used == 'lse' else (mean * weight).sum()
        grads.append(torch.autograd.grad(loss, feats)[0])
    assert_same(grads[0], grads[1], 1e-10)
