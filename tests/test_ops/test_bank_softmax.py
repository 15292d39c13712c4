import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from mmisl.ops import bank_logsumexp, bank_softmax, bank_softmax_kl
from mmisl.ops.softmax_passes import (
    backward_pass,
    forward_pass,
    kl_pass,
    logsumexp_pass,
)

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
    # One chunk of logits has 7 * 10 entries, with the slopes twice as many.
    assert 7 * 10 <= largest.numel <= 2 * 7 * 10


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
    with pytest.raises(ValueError, match=r'chunk_rows must be >= 1 .*got 0'):
        function(feats, unit_rows(11), 0.07, chunk_rows=0)
    with pytest.raises(ValueError, match=r"one of .*'triton'.*got 'cuda'"):
        function(feats, unit_rows(11), 0.07, backend='cuda')
    with pytest.raises(TypeError, match=r'float16; call feats.float\(\)'):
        function(feats.half(), unit_rows(11), 0.07)


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


@settings(max_examples=80, deadline=None)
@given(
    batch=st.integers(0, 9),
    num_samples=st.integers(1, 70),
    feat_dim=st.integers(1, 20),
    chunk_rows=st.none() | st.integers(1, 80),
    temperature=st.floats(0.01, 1),
    dtype=st.sampled_from(list(TOLERANCE)),
    bank_dtype=st.sampled_from(
        [torch.float64, torch.float32, torch.bfloat16, torch.float16]
    ),
    seed=st.integers(0, 2**31),
)
def test_bank_softmax__any_shape_matches_dense(
    batch,
    num_samples,
    feat_dim,
    chunk_rows,
    temperature,
    dtype,
    bank_dtype,
    seed,
):
    torch.manual_seed(seed)
    bank = unit_rows(num_samples, feat_dim).to(bank_dtype)
    feats = unit_rows(batch, feat_dim, dtype)
    weight_lse = torch.randn(batch, dtype=torch.float64)
    weight_mean = torch.randn(batch, feat_dim, dtype=torch.float64)
    results = []
    # The dense side reads what the streamed one does, in float64.
    for function, leaf, rows, options in (
        (bank_softmax, feats.clone(), bank, dict(chunk_rows=chunk_rows)),
        (dense, feats.double(), bank.to(dtype), {}),
    ):
        leaf.requires_grad_()
        lse, mean = function(leaf, rows, temperature, **options)
        loss = (lse * weight_lse).sum() + (mean * weight_mean).sum()
        results.append((lse, mean, torch.autograd.grad(loss, leaf)[0]))
    # In float32 a logit of 1 / T is rounded, and with it every weight; the
    # gradient has the factor 1 / T besides.
    scale = 1 / temperature
    for got, expected, allowed in zip(
        *results, (scale, scale, scale**2), strict=True
    ):
        assert got.dtype == dtype
        torch.testing.assert_close(
            got.double(),
            expected,
            atol=TOLERANCE[dtype] * allowed,
            rtol=0,
        )


def test_bank_softmax__logits_that_overflow_float16():
    # exp(100) and the sum of the weights are far beyond 65504.
    bank = unit_rows(11).half()
    feats = bank[:3].float()
    lse, mean = bank_softmax(feats, bank, 0.01, chunk_rows=4)
    expected_lse, expected_mean = dense(feats, bank, 0.01)
    assert (expected_lse > 99).all()
    assert_same(lse, expected_lse, 1e-5)
    assert_same(mean, expected_mean, 1e-5)


def test_bank_softmax__default_chunks_match_dense():
    # More rows than the default holds at once.
    feats, bank = unit_rows(900, 3), unit_rows(700, 3)
    with LargestTensor() as largest:
        lse, mean = bank_softmax(feats, bank, 0.07)
    assert largest.numel < 900 * 700
    expected_lse, expected_mean = dense(feats, bank, 0.07)
    assert_same(lse, expected_lse, 1e-10)
    assert_same(mean, expected_mean, 1e-10)


def test_bank_softmax__autocast_changes_nothing():
    feats = unit_rows(3, dtype=torch.float32).requires_grad_()
    bank = unit_rows(11, dtype=torch.float32)
    results = []
    for enabled in (False, True):
        with torch.autocast('cpu', torch.bfloat16, enabled=enabled):
            lse, mean = bank_softmax(feats, bank, 0.07, chunk_rows=4)
            loss = lse.sum() + mean.square().sum()
            results.append((lse, mean, *torch.autograd.grad(loss, feats)))
    assert all(map(torch.equal, *results))


class Synchronisations(TorchDispatchMode):
    """Counts the operations for which a GPU's queue would be waited for."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        if name in ('_local_scalar_dense', 'is_nonzero', 'nonzero'):
            self.seen.append(name)
        return func(*args, **(kwargs or {}))


def test_bank_softmax__never_waits_for_the_device():
    feats, bank = unit_rows(3).requires_grad_(), unit_rows(11)
    with Synchronisations() as synchronisations:
        lse, mean = bank_softmax(feats, bank, 0.07, chunk_rows=4)
        (lse.sum() + mean.sum()).backward()
        bank_logsumexp(feats, bank, 0.07, chunk_rows=4)
        assert synchronisations.seen == []
        float(lse.detach()[0])
    assert synchronisations.seen == ['_local_scalar_dense']


def test_passes__parts_of_the_bank_merge_exactly():
    # As over processes, one of which holds no row.
    feats, bank, grad_mean = unit_rows(3), unit_rows(11), torch.randn(3, 5)
    options = dict(chunk_rows=2, backend='torch')
    parts = bank.split([4, 0, 7])
    forward = [forward_pass(feats, part, 0.07, **options) for part in parts]
    lses = torch.stack([lse for lse, _ in forward])
    lse = lses.logsumexp(0)
    share = (lses - lse).exp().unsqueeze(2)
    mean = (torch.stack([mean for _, mean in forward]) * share).sum(0)
    grad = sum(
        backward_pass(
            feats,
            part,
            0.07,
            lse=lse,
            grad_mean=grad_mean.double(),
            centre=(mean * grad_mean).sum(1, keepdim=True),
            **options,
        )
        for part in parts
    )
    leaf = feats.clone().requires_grad_()
    expected_lse, expected_mean = dense(leaf, bank, 0.07)
    (expected_mean * grad_mean).sum().backward()
    assert_same(lse, expected_lse.detach(), 1e-10)
    assert_same(mean, expected_mean.detach(), 1e-10)
    assert_same(grad / 0.07, leaf.grad, 1e-10)


@pytest.mark.parametrize('batch, num_samples', [(3, 0), (0, 7), (0, 0)])
def test_passes__nothing_to_add(batch, num_samples):
    feats, bank = torch.randn(batch, 5), torch.randn(num_samples, 5)
    options = dict(chunk_rows=None, backend='torch')
    lse, mean = forward_pass(feats, bank, 0.07, **options)
    assert lse.tolist() == [-torch.inf] * batch
    assert torch.equal(mean, torch.zeros(batch, 5))
    assert torch.equal(logsumexp_pass(feats, bank, 0.07, **options), lse)
    grad = backward_pass(
        feats,
        bank,
        0.07,
        lse=torch.zeros(batch),
        grad_mean=torch.ones(batch, 5),
        centre=torch.ones(batch, 1),
        **options,
    )
    assert torch.equal(grad, torch.zeros(batch, 5))
    parts = kl_pass(feats, feats, bank, 0.07, **options)
    assert torch.equal(parts.lse, lse)
    assert torch.equal(parts.target_lse, lse)
    assert torch.equal(parts.slope, torch.zeros(batch, 1))
    assert torch.equal(parts.mean, torch.zeros(batch, 5))
    assert torch.equal(parts.tilted, torch.zeros(batch, 5))


def dense_kl(feats, targets, bank, temperature):
    """torch's own KL of the two softmaxes, in float64."""
    bank = bank.double()
    own = (feats.double() @ bank.T / temperature).log_softmax(1)
    other = (targets.double() @ bank.T / temperature).log_softmax(1)
    kl = F.kl_div(other, own, reduction='none', log_target=True).sum(1)
    return dense(feats, bank, temperature)[0], kl


@pytest.mark.parametrize('chunk_rows', [1, 4, 11, None])
@pytest.mark.parametrize('temperature', [0.01, 0.07, 1.0])
@pytest.mark.parametrize('dtype', TOLERANCE)
def test_bank_softmax_kl__value_and_gradient_match_dense(
    dtype, temperature, chunk_rows
):
    bank = unit_rows(11, dtype=dtype)
    feats, targets = unit_rows(3, dtype=dtype), bank[[2, 7, 7]]
    weights = torch.randn(2, 3)
    results = []
    for function, options in (
        (bank_softmax_kl, dict(chunk_rows=chunk_rows)),
        (dense_kl, {}),
    ):
        leaf = feats.clone().requires_grad_()
        lse, kl = function(leaf, targets, bank, temperature, **options)
        ((lse * weights[0]).sum() + (kl * weights[1]).sum()).backward()
        results.append((lse, kl, leaf.grad))
    # The KL is a difference of log-sum-exps of size 1 / T.
    scale = max(1.0, float(results[1][0].detach().abs().max()))
    for got, expected in zip(*results, strict=True):
        assert got.dtype == dtype
        assert_same(got / scale, expected / scale, TOLERANCE[dtype])


def test_bank_softmax_kl__gradcheck():
    feats = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    targets = torch.randn(2, 3, dtype=torch.float64)
    bank = torch.randn(7, 3, dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda f: bank_softmax_kl(f, targets, bank, 0.5, chunk_rows=3), feats
    )


def test_bank_softmax_kl__of_itself_is_zero():
    bank = unit_rows(11)
    feats = bank[[1, 5]].clone().requires_grad_()
    _, kl = bank_softmax_kl(feats, feats.detach(), bank, 0.07, chunk_rows=4)
    kl.sum().backward()
    assert_same(kl, torch.zeros(2), 1e-10)
    assert_same(feats.grad, torch.zeros(2, 5), 1e-10)


def test_bank_softmax_kl__targets_that_do_not_match():
    feats = unit_rows(3)
    with pytest.raises(ValueError, match=r'targets must be \(3, 5\).*\(2, 5'):
        bank_softmax_kl(feats, unit_rows(2), unit_rows(7), 0.07)
    with pytest.raises(ValueError, match='float64 as feats.*float32'):
        bank_softmax_kl(feats, feats.float(), unit_rows(7), 0.07)
    with pytest.raises(ValueError, match=r"one of .*'triton'.*got 'cuda'"):
        bank_softmax_kl(feats, feats, unit_rows(7), 0.07, backend='cuda')
