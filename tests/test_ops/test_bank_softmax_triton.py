"""Runs the kernels in Triton's interpreter, which has to be chosen before
Triton is imported and so needs a process of its own.
"""

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest
import torch

from mmisl.ops import bank_logsumexp, bank_softmax

pytestmark = pytest.mark.skipif(
    find_spec('triton') is None, reason='Triton is not installed'
)

COMPARE = """
import torch
import torch.nn.functional as F

from mmisl.ops import bank_softmax_triton
from mmisl.ops.softmax_passes import (
    backward_pass,
    forward_pass,
    logsumexp_pass,
)


def results(backend, feats, bank, temperature, grad_mean):
    options = dict(chunk_rows=None, backend=backend)
    lse, mean = forward_pass(feats, bank, temperature, **options)
    grad = backward_pass(
        feats,
        bank,
        temperature,
        lse=lse if len(bank) else torch.zeros(len(feats)),
        grad_mean=grad_mean,
        centre=(mean * grad_mean).sum(1, keepdim=True),
        **options,
    )
    return lse, mean, grad, logsumexp_pass(feats, bank, temperature, **options)


def compare(batch, num_samples, dim, temperature, dtype):
    feats = F.normalize(torch.randn(batch, dim), dim=1)
    bank = F.normalize(torch.randn(num_samples, dim), dim=1).to(dtype)
    grad_mean = torch.randn(batch, dim)
    inputs = feats, bank, temperature, grad_mean
    for got, expected in zip(
        results('triton', *inputs), results('torch', *inputs), strict=True
    ):
        scale = 1 / temperature if len(bank) else 1
        torch.testing.assert_close(got, expected, atol=1e-6 * scale, rtol=0)


torch.manual_seed(0)
# More splits than blocks of rows, or two splits with several blocks each.
for bank_softmax_triton.MAX_PROGRAMS in (1024, 2):
    compare(3, 41, 5, 0.07, torch.float32)
    compare(67, 130, 16, 0.01, torch.bfloat16)
    compare(5, 200, 33, 1.0, torch.float16)
    compare(2, 70, 300, 0.07, torch.float32)
    compare(1, 1, 1, 0.001, torch.float32)
    compare(0, 7, 3, 0.07, torch.float32)
    compare(3, 0, 5, 0.07, torch.float32)
print('same')
"""

COMPILE = """
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from mmisl.ops import bank_softmax_triton as kernels


def shared_memory(kernel, bank_type, dim, **constants):
    block_batch, block_rows = kernels.block_sizes(dim)
    constants.update(
        split_rows=4096,
        feat_dim=dim,
        padded_dim=dim,
        block_batch=block_batch,
        block_rows=block_rows,
    )
    signature = {}
    for name in kernel.arg_names:
        signature[name] = 'constexpr' if name in constants else 'i32'
        if name.endswith('_ptr'):
            signature[name] = bank_type if name == 'bank_ptr' else '*fp32'
    source = ASTSource(kernel, signature, constants)
    target = GPUTarget('cuda', 86, 32)
    compiled = triton.compile(source, target, dict(kernels.LAUNCH))
    return compiled.metadata.shared


print(shared_memory(kernels._backward_kernel, '*fp32', 512))
print(shared_memory(kernels._forward_kernel, '*bf16', 128, with_mean=True))
"""


def run(code, **variables):
    """Output of a program, given these environment variables too."""
    process = subprocess.run(
        [sys.executable, '-c', code],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr
    return process.stdout.split()


def test_kernels__same_as_torch_in_the_interpreter():
    assert run(COMPARE, TRITON_INTERPRET='1') == ['same']


@pytest.mark.skipif(
    not torch.version.cuda, reason='Triton cannot compile for CUDA here'
)
def test_kernels__compile_and_fit_a_gpu_of_100_kib(tmp_path):
    # No GPU is needed to compile for one. A block may use 99 KiB of shared
    # memory on the smaller ones of compute capability 8.6.
    sizes = run(COMPILE, TRITON_INTERPRET='0', TRITON_CACHE_DIR=str(tmp_path))
    assert len(sizes) == 2
    assert max(map(int, sizes)) <= 99 * 1024


@pytest.mark.parametrize('function', [bank_softmax, bank_logsumexp])
def test_bank_softmax__triton_needs_a_gpu(function):
    feats, bank = torch.randn(3, 5), torch.randn(7, 5)
    with pytest.raises(RuntimeError, match=r"needs CUDA.*cpu.*'torch'"):
        function(feats, bank, 0.07, backend='triton')


REFUSED = """
import torch

from mmisl.ops import bank_softmax

for dtype, bank_dtype, dim in (
    (torch.float64, torch.float32, 5),
    (torch.float32, torch.float64, 5),
    (torch.float32, torch.float32, 513),
):
    feats = torch.ones(3, dim, dtype=dtype)
    bank = torch.ones(7, dim, dtype=bank_dtype)
    try:
        bank_softmax(feats, bank, 0.07, backend='triton')
    except (TypeError, ValueError) as error:
        print(type(error).__name__, error)
"""


def test_bank_softmax__triton_names_what_it_cannot_take():
    text = ' '.join(run(REFUSED, TRITON_INTERPRET='1'))
    assert 'TypeError backend=' in text
    assert 'got torch.float64 and torch.float32; use' in text
    assert 'got torch.float32 and torch.float64; use' in text
    assert 'up to 512 wide, got 513; use' in text


MISSING = """
import sys

import torch

from mmisl.ops import bank_softmax

assert 'triton' not in sys.modules  # only those who ask for it need it
sys.modules['triton'] = None
try:
    bank_softmax(torch.ones(3, 5), torch.ones(7, 5), 0.07, backend='triton')
except ImportError as error:
    print(error)
"""


def test_bank_softmax__triton_is_missing():
    assert "backend='triton' needs the package triton" in ' '.join(
        run(MISSING)
    )
