import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmisl.ops import segment_argmax, segment_logsumexp, segment_mean

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}
ROW = torch.tensor([2, 0, 2, 1, 0, 2, 2])  # in no order, all of 3 rows


@pytest.mark.parametrize(
    'segment, whole',
    [(segment_logsumexp, torch.logsumexp), (segment_mean, torch.mean)],
)
@pytest.mark.parametrize('dtype', TOLERANCE)
def test_segment__value_and_gradient_match_torch(dtype, segment, whole):
    values = torch.randn(7, dtype=dtype)
    weight = torch.tensor([0.5, -2.0, 3.0], dtype=torch.float64)
    leaf = values.clone().requires_grad_()
    got = segment(leaf, ROW, 3)
    (got * weight).sum().backward()
    reference = values.double().requires_grad_()
    expected = torch.stack(
        [whole(reference[ROW == row], 0) for row in range(3)]
    )
    (expected * weight).sum().backward()
    tolerance = dict(atol=TOLERANCE[dtype], rtol=TOLERANCE[dtype])
    assert got.dtype == dtype
    torch.testing.assert_close(got.double(), expected, **tolerance)
    torch.testing.assert_close(leaf.grad.double(), reference.grad, **tolerance)


def test_segment_logsumexp__gradcheck():
    values = torch.randn(7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda v: segment_logsumexp(v, ROW, 3), values
    )


@pytest.mark.parametrize('dtype', TOLERANCE)
def test_segment_logsumexp__values_of_a_thousand_stay_finite(dtype):
    values = torch.tensor([-1e3, 1e3, 1e3, -1e3], dtype=dtype)
    values.requires_grad_()
    got = segment_logsumexp(values, torch.tensor([0, 1, 1, 1]), 2)
    got.sum().backward()
    expected = torch.tensor([-1e3, 1e3 + torch.tensor(2.0).log()])
    torch.testing.assert_close(got, expected.to(dtype))
    torch.testing.assert_close(
        values.grad, torch.tensor([1.0, 0.5, 0.5, 0.0], dtype=dtype)
    )


@settings(deadline=None)
@given(
    pairs=st.lists(st.tuples(st.integers(0, 3), st.integers(-2, 2))),
)
def test_segment_argmax__matches_loop(pairs):
    expected = [len(pairs)] * 5  # row 4 never occurs
    for position, (row, value) in enumerate(pairs):
        best = expected[row]
        if best == len(pairs) or value > pairs[best][1]:
            expected[row] = position
    row = torch.tensor([row for row, _ in pairs], dtype=torch.int64)
    values = torch.tensor([value for _, value in pairs], dtype=torch.float32)
    assert segment_argmax(values, row, 5).tolist() == expected
