"""Time and memory of the loss over the whole bank, forward and backward.

Usage:
    python tools/benchmark/bank_loss.py [--num-samples 1281167] [--batch 64]
    python tools/benchmark/bank_loss.py --curve   (N from 50 k to 10 M)
    python tools/benchmark/bank_loss.py --large   (N = 10 M, without dense)

The loss is that of ISLHead: the neighbour term and the divergence from the
hard positive. Its sides, which take turns:

    dense      vectorised, with autograd through the (B, N) logits
    products   only the matrix products that 'chunked' needs, in its chunks:
               logits of the batch and of the hard positives, then both sums
               of rows
    chunked    mmisl.ops.bank_softmax_kl, one pass; what ISLHead uses
    passes     mmisl.ops.bank_softmax and its backward, and bank_logsumexp
    kernel, passes kernel
               the last two with backend 'triton'; on a GPU only
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from measure import Row, peak_memory, report, time_side_by_side
from torch import Tensor

from mmisl.ops import bank_logsumexp, bank_softmax, bank_softmax_kl
from mmisl.ops.softmax_passes import default_chunk_rows

TEMPERATURE = 0.07
HARD_POSITIVE_WEIGHT = 0.5
NUM_POSITIVES = 5  # the sample itself and its neighbours
IMAGENET = 1_281_167
LARGE = 10_000_000
CURVE = (50_000, 200_000, IMAGENET, 4_000_000, LARGE)
MIB = 2**20


@dataclass
class Problem:
    """A batch against a bank.

    Attributes:
        feats (Tensor): (B, D), norm 1, with gradient.
        bank (Tensor): (N, D), norm 1.
        positives (Tensor): (B, P) rows of the bank; column 0 is the sample
            itself, column 1 its hard positive.
    """

    feats: Tensor
    bank: Tensor
    positives: Tensor

    @property
    def targets(self) -> Tensor:
        """Hard positives, (B, D)."""
        return self.bank[self.positives[:, 1]].float()

    def first(self, num_samples: int) -> Problem:
        """The same batch against the first rows of the bank."""
        bank = self.bank[:num_samples]
        return Problem(self.feats, bank, self.positives % num_samples)


Side = Callable[[Problem], tuple[Tensor, Tensor]]


def dense(problem: Problem) -> tuple[Tensor, Tensor]:
    """Loss and gradient through the matrix of logits."""
    bank = problem.bank.to(problem.feats.dtype)
    log_prob = (problem.feats / TEMPERATURE @ bank.T).log_softmax(1)
    with torch.no_grad():
        logits = problem.targets / TEMPERATURE @ bank.T
        target_log_prob = logits.log_softmax(1)
    neighbor = -log_prob.gather(1, problem.positives).logsumexp(1)
    kl = (log_prob.exp() * (log_prob - target_log_prob)).sum(1)
    return _with_gradient(problem, neighbor, kl)


def one_pass(problem: Problem, backend: str) -> tuple[Tensor, Tensor]:
    """Loss and gradient as ISLHead computes them."""
    lse, kl = bank_softmax_kl(
        problem.feats,
        problem.targets,
        problem.bank,
        TEMPERATURE,
        backend=backend,
    )
    return _with_gradient(problem, lse - _positive(problem), kl)


def passes(problem: Problem, backend: str) -> tuple[Tensor, Tensor]:
    """Loss and gradient in three passes."""
    feats, bank, targets = problem.feats, problem.bank, problem.targets
    lse, mean = bank_softmax(feats, bank, TEMPERATURE, backend=backend)
    target_lse = bank_logsumexp(targets, bank, TEMPERATURE, backend=backend)
    cross = (mean * (feats - targets)).sum(1) / TEMPERATURE
    return _with_gradient(
        problem, lse - _positive(problem), cross - lse + target_lse
    )


def products(problem: Problem) -> tuple[Tensor, Tensor]:
    """The matrix products of 'chunked'; the numbers mean nothing."""
    feats, bank = problem.feats.detach(), problem.bank
    queries = torch.cat([feats, feats])
    result = torch.zeros_like(queries)
    chunk_rows = default_chunk_rows(queries)
    buffer = feats.new_empty(len(queries), min(chunk_rows, len(bank)))
    for chunk in bank.split(chunk_rows):
        rows = chunk.to(feats.dtype)
        logits = buffer[:, : len(rows)]
        torch.mm(queries, rows.T, out=logits)
        result.addmm_(logits, rows)
    return result.sum(), result


def _positive(problem: Problem) -> Tensor:
    """Log-sum-exp of the logits of the positives, (B,)."""
    near = problem.bank[problem.positives].to(problem.feats.dtype)
    logits = (near @ problem.feats.unsqueeze(2)).squeeze(2) / TEMPERATURE
    return logits.logsumexp(1)


def _with_gradient(
    problem: Problem, neighbor: Tensor, kl: Tensor
) -> tuple[Tensor, Tensor]:
    loss = (neighbor + HARD_POSITIVE_WEIGHT * kl).mean()
    return loss.detach(), torch.autograd.grad(loss, problem.feats)[0]


def make_problem(
    num_samples: int, batch: int, dim: int, dtype: torch.dtype
) -> Problem:
    """Random unit vectors on the GPU if there is one."""
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    torch.manual_seed(0)
    bank = torch.empty(num_samples, dim, device=device, dtype=dtype)
    for rows in bank.split(2**16):  # no second copy of a large bank
        rows.copy_(F.normalize(torch.randn(len(rows), dim, device=device)))
    positives = torch.randint(
        num_samples, (batch, NUM_POSITIVES), device=device
    )
    near = bank[positives[:, 0]].float()
    feats = F.normalize(near + 0.1 * torch.randn_like(near))
    return Problem(feats.requires_grad_(), bank, positives)


def choose_sides(with_dense: bool) -> dict[str, Side]:
    """Name -> function, as far as this machine runs them."""
    sides: dict[str, Side] = dict(products=products)
    if with_dense:
        sides['dense'] = dense
    sides['chunked'] = partial(one_pass, backend='torch')
    sides['passes'] = partial(passes, backend='torch')
    if torch.cuda.is_available():
        sides['kernel'] = partial(one_pass, backend='triton')
        sides['passes kernel'] = partial(passes, backend='triton')
    else:
        print('kernels: left out, this machine has no GPU')
    return sides


def compare(
    problem: Problem, sides: Mapping[str, Side], repeats: int
) -> list[Row]:
    """A row for each side, with its error against the first exact one."""
    timings = time_side_by_side(
        {name: partial(side, problem) for name, side in sides.items()},
        repeats=repeats,
    )
    results = {name: side(problem) for name, side in sides.items()}
    exact = results.get('dense', results['chunked'])
    rows: list[Row] = []
    for name, side in sides.items():
        timing = timings[name]
        memory = peak_memory(partial(side, problem)) / MIB
        row: dict[str, object] = dict(side=name, time=timing)
        row['/ products'] = timing.median / timings['products'].median
        row['CPU s'] = timing.cpu
        row['/ products (CPU)'] = timing.cpu / timings['products'].cpu
        if 'dense' in sides:
            row['dense /'] = timings['dense'].median / timing.median
            row['dense / (CPU)'] = timings['dense'].cpu / timing.cpu
        row['extra MiB'] = round(memory, 1)
        row['loss'] = row['gradient error'] = '-'
        if name != 'products':
            loss, grad = results[name]
            row['loss'] = f'{loss:.6f}'
            row['gradient error'] = float((grad - exact[1]).abs().max())
        rows.append(row)
    return rows


def curve(
    problem: Problem, sides: Mapping[str, Side], repeats: int
) -> list[Row]:
    """Cost of a row of the bank at growing N."""
    rows: list[Row] = []
    for num_samples in (n for n in CURVE if n <= len(problem.bank)):
        part = problem.first(num_samples)
        # Measuring the memory warms up as well.
        memory = {
            name: peak_memory(partial(side, part)) / MIB
            for name, side in sides.items()
        }
        timings = time_side_by_side(
            {name: partial(side, part) for name, side in sides.items()},
            repeats=repeats,
            warmup=0,
        )
        for name in sides:
            rows.append(
                {
                    'side': name,
                    'N': num_samples,
                    'time': timings[name],
                    'ns / row': timings[name].median / num_samples * 1e9,
                    'CPU ns / row': timings[name].cpu / num_samples * 1e9,
                    'extra MiB': round(memory[name], 1),
                }
            )
    return rows


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read ``argv``, or the command line if that is None."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        '--num-samples', type=int, help='N, with --curve the largest'
    )
    parser.add_argument('--batch', type=int, default=64)
    parser.add_argument('--dim', type=int, default=128)
    parser.add_argument(
        '--bank-dtype',
        choices=('float32', 'bfloat16', 'float16'),
        default='float32',
    )
    parser.add_argument('--repeats', type=int, default=5)
    parser.add_argument('--threads', type=int, help='of the CPU')
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument('--curve', action='store_true', help='growing N')
    mode.add_argument('--large', action='store_true', help='N = 10 M')
    parser.add_argument('--out', type=Path, help='JSON file to write')
    return parser.parse_args(argv)


def main(args: argparse.Namespace) -> None:
    """Measure as the command line says."""
    if args.threads is not None:
        torch.set_num_threads(args.threads)
    whole = args.curve or args.large
    num_samples = args.num_samples or (LARGE if whole else IMAGENET)
    problem = make_problem(
        num_samples, args.batch, args.dim, getattr(torch, args.bank_dtype)
    )
    measure = curve if args.curve else compare
    rows = measure(problem, choose_sides(not whole), args.repeats)
    bank_mib = problem.bank.nbytes / MIB
    report(
        f'Bank loss, forward and backward: N = {num_samples:,}, B = '
        f'{args.batch}, D = {args.dim}; bank {args.bank_dtype}, '
        f'{bank_mib:,.0f} MiB; extra: above bank and inputs',
        rows,
        out=args.out,
    )


if __name__ == '__main__':
    main(parse_args())
