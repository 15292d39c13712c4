"""Runs the kernels in Triton's interpreter, which has to be chosen before
Triton is imported and so needs a process of its own.
"""

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest
import torch

from mmisl.ops import (
    ShardedRows,
    bank_logsumexp,
    bank_softmax,
    bank_softmax_kl,
)

pytestmark = pytest.mark.skipif(
    find_spec('triton') is None, reason='Triton is not installed'
)

COMPARE = """
import sys

import torch
import torch.nn.functional as F

from mmisl.models.heads import ISLHead
from mmisl.ops import bank_softmax_kl, bank_softmax_triton
from mmisl.ops.softmax_passes import (
    backward_pass,
    forward_pass,
    kl_pass,
    logsumexp_pass,
)
from mmisl.structures import NeighborGraph

DEVICE = sys.argv[1]


def passes(backend, feats, targets, bank, temperature, weights):
    options = dict(chunk_rows=None, backend=backend)
    lse, mean = forward_pass(feats, bank, temperature, **options)
    grad = backward_pass(
        feats,
        bank,
        temperature,
        lse=lse if len(bank) else torch.zeros_like(lse),
        grad_mean=weights,
        centre=(mean * weights).sum(1, keepdim=True),
        **options,
    )
    parts = kl_pass(feats, targets, bank, temperature, **options)
    alone = logsumexp_pass(feats, bank, temperature, **options)
    # Values are of the size 1 / T, but for the slopes and what they weigh:
    # those are rounded as 1 / T^2 is.
    parts = parts._replace(
        slope=parts.slope * temperature, tilted=parts.tilted * temperature
    )
    return lse, mean, grad, alone, *parts


def kl_and_gradient(backend, feats, targets, bank, temperature, weights):
    leaf = feats.clone().requires_grad_()
    lse, kl = bank_softmax_kl(
        leaf, targets, bank, temperature, backend=backend
    )
    loss = (lse * weights[:, 0]).sum() + (kl * weights[:, 1]).sum()
    (grad,) = torch.autograd.grad(loss, leaf)
    return lse.detach(), kl.detach() * temperature, grad * temperature


def head_loss(backend, feats, bank, temperature):
    graph = NeighborGraph(len(bank)).to(bank.device)
    graph.add_edges(torch.tensor([0, 1, 1]), torch.tensor([2, 3, 4]))
    leaf = feats.clone().requires_grad_()
    head = ISLHead(temperature, backend=backend)
    losses = head.loss(leaf, torch.arange(len(feats)), graph, bank)
    assert losses['loss_hard_positive'] > 0
    (grad,) = torch.autograd.grad(sum(losses.values()), leaf)
    return *losses.values(), grad * temperature


def compare(function, *arguments, scale):
    for got, expected in zip(
        function('triton', *arguments),
        function('torch', *arguments),
        strict=True,
    ):
        assert got.shape == expected.shape
        torch.testing.assert_close(got, expected, atol=1e-6 * scale, rtol=0)


def compare_all(batch, num_samples, dim, temperature, dtype):
    def unit(rows):
        return F.normalize(torch.randn(rows, dim, device=DEVICE), dim=1)

    feats, targets = unit(batch), unit(batch)
    bank = unit(num_samples).to(dtype)
    weights = torch.randn(batch, dim, device=DEVICE)
    inputs = feats, targets, bank, temperature, weights
    scale = 1 / temperature if num_samples else 1
    compare(passes, *inputs, scale=scale)
    if num_samples and dim > 1:
        compare(kl_and_gradient, *inputs, scale=scale)


torch.manual_seed(0)
# More splits than blocks of rows, or two splits with several blocks each.
for bank_softmax_triton.MAX_PROGRAMS in (1024, 2):
    compare_all(3, 41, 5, 0.07, torch.float32)
    compare_all(67, 130, 16, 0.01, torch.bfloat16)
    compare_all(5, 200, 33, 1.0, torch.float16)
    compare_all(2, 70, 300, 0.07, torch.float32)
    compare_all(1, 1, 1, 0.001, torch.float32)
    compare_all(0, 7, 3, 0.07, torch.float32)
    compare_all(3, 0, 5, 0.07, torch.float32)
feats = F.normalize(torch.randn(3, 5, device=DEVICE), dim=1)
bank = F.normalize(torch.randn(41, 5, device=DEVICE), dim=1)
compare(head_loss, feats, bank, 0.07, scale=1 / 0.07)
print('same')
"""

COMPILE = """
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from mmisl.ops import bank_softmax_kernels as kernels
from mmisl.ops.bank_softmax_triton import tile_options


def shared_memory(kernel, bank_type, dim, num_sums=1, **constants):
    tile = tile_options(dim, num_sums)
    launch = {name: tile.pop(name) for name in ('num_warps', 'num_stages')}
    constants.update(split_rows=4096, feat_dim=dim, padded_dim=dim, **tile)
    signature = {}
    for name in kernel.arg_names:
        signature[name] = 'constexpr' if name in constants else 'i32'
        if name.endswith('_ptr'):
            signature[name] = bank_type if name == 'bank_ptr' else '*fp32'
    source = ASTSource(kernel, signature, constants)
    target = GPUTarget('cuda', 86, 32)
    compiled = triton.compile(source, target, launch)
    return compiled.metadata.shared


print(shared_memory(kernels.backward_kernel, '*bf16', 512))
print(shared_memory(kernels.forward_kernel, '*bf16', 128, with_mean=True))
print(shared_memory(kernels.kl_kernel, '*bf16', 128, num_sums=2))
print(shared_memory(kernels.kl_kernel, '*bf16', 512, num_sums=2))
"""


def run(code, *args, **variables):
    """Output of a program, given these environment variables too."""
    process = subprocess.run(
        [sys.executable, '-c', code, *args],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr
    return process.stdout.split()


def test_kernels__same_as_torch_in_the_interpreter():
    # What it imports may print before.
    assert run(COMPARE, 'cpu', TRITON_INTERPRET='1')[-1] == 'same'


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
def test_kernels__same_as_torch_on_cuda():
    assert run(COMPARE, 'cuda', TRITON_INTERPRET='0')[-1] == 'same'


@pytest.mark.skipif(
    not torch.version.cuda, reason='Triton cannot compile for CUDA here'
)
def test_kernels__compile_and_fit_a_gpu_of_100_kib(tmp_path):
    # No GPU is needed to compile for one. A block may use 99 KiB of shared
    # memory on the smaller ones of compute capability 8.6.
    sizes = run(COMPILE, TRITON_INTERPRET='0', TRITON_CACHE_DIR=str(tmp_path))
    assert len(sizes) == 4
    assert max(map(int, sizes)) <= 99 * 1024


@pytest.mark.parametrize('sharded', [False, True])
@pytest.mark.parametrize('function', [bank_softmax, bank_logsumexp])
def test_bank_softmax__triton_needs_a_gpu(function, sharded):
    feats, bank = torch.randn(3, 5), torch.randn(7, 5)
    if sharded:  # over one rank
        bank = ShardedRows(bank, 7)
    with pytest.raises(RuntimeError, match=r"needs CUDA.*cpu.*'torch'"):
        function(feats, bank, 0.07, backend='triton')
    with pytest.raises(RuntimeError, match=r"needs CUDA.*cpu.*'torch'"):
        bank_softmax_kl(feats, feats, bank, 0.07, backend='triton')


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
