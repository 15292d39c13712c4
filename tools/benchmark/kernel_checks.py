"""Errors of the Triton kernels, beside those of the chunked torch form."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from bank_loss import make_problem
from torch import Tensor

from mmisl.ops import bank_logsumexp, bank_softmax, bank_softmax_kl

# Float32 rounds by this much. Kernels add up in another order than torch, so
# a few times the error of torch is theirs too.
EPS = torch.finfo(torch.float32).eps
TIMES_TORCH = 4


class Case(NamedTuple):
    """Sizes, temperature and type of the bank of a comparison."""

    batch: int
    num_samples: int
    dim: int
    temperature: float
    dtype: torch.dtype

    def __str__(self) -> str:
        return (
            f'{str(self.dtype).removeprefix("torch.")} bank, B = {self.batch}'
            f', N = {self.num_samples:,}, D = {self.dim}, '
            f'T = {self.temperature}'
        )


# Neither multiples of a block nor equal; first what training takes.
CASES = [
    Case(256, 1_281_167, 128, 0.07, torch.float32),
    Case(256, 1_281_167, 128, 0.07, torch.bfloat16),
    Case(256, 1_281_167, 128, 0.07, torch.float16),
    Case(37, 50_001, 128, 0.01, torch.float32),
    Case(3, 777, 128, 1.0, torch.float32),
    Case(129, 50_001, 100, 0.1, torch.float32),
    Case(37, 50_001, 128, 0.01, torch.bfloat16),
    Case(17, 5_003, 512, 0.07, torch.float32),
    Case(17, 5_003, 512, 0.07, torch.float16),
]
TINY_CASES = [
    Case(5, 41, 7, 0.07, torch.float32),
    Case(3, 70, 16, 0.01, torch.bfloat16),
    Case(3, 33, 5, 1.0, torch.float16),
]


def compare(
    case: Case, device: str
) -> Iterator[tuple[str, float, float, float]]:
    """Errors against the torch form in float64, on the same rows.

    Args:
        case (Case): What to compare.
        device (str): ``'cuda'``, or ``'cpu'`` under Triton's interpreter.

    Yields:
        tuple[str, float, float, float]: Name of the result, largest error
        of the kernels, the error that is allowed, and that of torch in
        float32.
    """
    inputs = _inputs(case, device)
    exact = _results(case, inputs, torch.float64, 'torch')
    own = _results(case, inputs, torch.float32, 'torch')
    kernel = _results(case, inputs, torch.float32, 'triton')
    for name, value in exact.items():
        # A log-sum-exp is of size 1 / T and its gradient weighs logits of
        # that size with 1 / T; the KL is a difference of such sums.
        power = 1 if name in ('L', 'L alone', 'mean') else 2
        torch_error = _largest(own[name] - value)
        floor = 2 * EPS / case.temperature**power
        yield (
            name,
            _largest(kernel[name] - value),
            TIMES_TORCH * torch_error + floor,
            torch_error,
        )


def is_deterministic(case: Case, device: str) -> bool:
    """Whether the kernels give the same bits twice."""
    inputs = _inputs(case, device)
    first, second = (
        _results(case, inputs, torch.float32, 'triton') for _ in range(2)
    )
    return all(torch.equal(first[name], second[name]) for name in first)


def _inputs(case: Case, device: str) -> tuple[Tensor, ...]:
    problem = make_problem(case.num_samples, case.batch, case.dim, case.dtype)
    feats, bank = problem.feats.detach(), problem.bank
    assert bank.device.type == device
    return feats, problem.targets, bank, torch.randn_like(feats)


def _results(
    case: Case, inputs: tuple[Tensor, ...], dtype: torch.dtype, backend: str
) -> dict[str, Tensor]:
    """Values and gradients of all forms of the softmax, by name."""
    feats, targets, bank, weights = inputs
    leaf = feats.to(dtype).requires_grad_()
    temperature = case.temperature
    lse, kl = bank_softmax_kl(
        leaf, targets.to(dtype), bank, temperature, backend=backend
    )
    kl_loss = (lse * weights[:, 0]).sum() + (kl * weights[:, 1]).sum()
    lse, mean = bank_softmax(leaf, bank, temperature, backend=backend)
    loss = (lse * weights[:, 0]).sum() + (mean * weights).sum()
    return {
        'KL': kl.detach(),
        'gradient of L and KL': torch.autograd.grad(kl_loss, leaf)[0],
        'L': lse.detach(),
        'mean': mean.detach(),
        'gradient of L and mean': torch.autograd.grad(loss, leaf)[0],
        'L alone': bank_logsumexp(
            leaf.detach(), bank, temperature, backend=backend
        ),
    }


def _largest(difference: Tensor) -> float:
    return float(difference.double().abs().max())
