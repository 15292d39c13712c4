"""The sections of ``gpu_checks.py``, which runs each in its own process.

A section is a generator of :class:`Check`; its arguments are ``device`` and
``tiny`` of the command line. It imports what it needs by itself, so that what
is missing or broken fails this section alone.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

MET, MISSED, FAILED = 'met', 'MISSED', 'FAILED'
MEASURED, LEFT_OUT, TOY = 'measured', 'left out', 'toy size'

ROOT = Path(__file__).resolve().parents[2]
MAX_OF_PRODUCTS = 1.5
MAX_EXTRA_MB = 200
MAX_GROWTH_OF_A_ROW = 1.2
MIN_SHARES = {'(b)': 95.0, '(c)': 90.0}  # %, of the side above
MIN_RATE = 15_000  # images/s of the loop, ResNet-18 for 32x32


@dataclass(frozen=True)
class Check:
    """One line of the table.

    Attributes:
        what: What was looked at.
        figure: What was found.
        target: What it should be; '-' if nothing is asked.
        verdict: One of the words at the top of this module.
    """

    what: str
    figure: str
    target: str = '-'
    verdict: str = MEASURED


def judge(good: bool, *, toy: bool = False) -> str:
    """The verdict, which a time at toy size does not get."""
    if toy:
        return TOY
    return MET if good else MISSED


def attempt(
    what: str, checks: Callable[[], Iterable[Check]]
) -> Iterator[Check]:
    """Checks of one part, and its failure: the next part still runs."""
    try:
        yield from checks()
    except Exception as error:
        line = (str(error).strip() or '-').splitlines()[0]
        text = f'{type(error).__name__}: {line}'
        yield Check(what, text[:200], '-', FAILED)


def kernels(args: argparse.Namespace) -> Iterator[Check]:
    """Triton kernels against the chunked torch form."""
    from kernel_checks import CASES, TINY_CASES, compare, is_deterministic

    cases = TINY_CASES if args.tiny else CASES
    for case in cases:

        def errors(case=case) -> Iterator[Check]:
            for name, error, allowed, own in compare(case, args.device):
                yield Check(
                    f'{name}, {case}',
                    f'{error:.1e} (torch {own:.1e})',
                    f'<= {allowed:.1e}',
                    judge(error <= allowed),
                )

        yield from attempt(str(case), errors)

    def again() -> Iterator[Check]:
        same = is_deterministic(cases[0], args.device)
        yield Check('same bits twice', str(same), 'True', judge(same))

    yield from attempt('same bits twice', again)


def waiting(args: argparse.Namespace) -> Iterator[Check]:
    """What makes the host wait in a training step."""
    from mmengine.runner import Runner
    from train_step import make_config, parse_args
    from waiting_loop import WaitingLoop

    from mmisl.ops import BACKENDS

    size = ['--batch', '3', '--num-samples', '11', '--steps', '1']
    argv = size if args.tiny else ['--amp', '--channels-last']

    def step(backend: str) -> Iterator[Check]:
        with tempfile.TemporaryDirectory() as folder:
            options = parse_args([*argv, '--backend', backend])
            cfg = make_config(options, folder)
            cfg.train_cfg.type = WaitingLoop.__name__
            runner = Runner.from_cfg(cfg)
            runner.train()
        loop = runner.train_loop
        toy = args.device == 'cpu'
        for part, places in loop.waits.items():
            figure = ', '.join(sorted(set(places))) or 'none'
            verdict = judge(not places, toy=toy)
            yield Check(f'{backend}: {part}', figure, 'none', verdict)
        yield Check(
            f'{backend}: iterations in which torch refuses to wait',
            f'stopped at {loop.refused}' if loop.refused else 'all taken',
            'all taken',
            judge(not loop.refused, toy=toy),
        )

    for backend in ('torch',) if args.device == 'cpu' else BACKENDS:
        yield from attempt(backend, partial(step, backend))


def bank_loss(args: argparse.Namespace) -> Iterator[Check]:
    """Time and memory of the loss over the bank."""
    import torch
    from bank_loss import (
        IMAGENET,
        LARGE,
        choose_sides,
        compare,
        curve,
        make_problem,
    )

    sides = choose_sides(with_dense=False)
    batch, size = (5, 999) if args.tiny else (256, IMAGENET)
    repeats = 1 if args.tiny else 3

    def at_size(dtype: str) -> Iterator[Check]:
        problem = make_problem(size, batch, 128, getattr(torch, dtype))
        rows: list[Mapping[str, Any]] = compare(problem, sides, repeats)
        for row in rows:
            what = f'{row["side"]}, {dtype} bank, N = {size:,}, B = {batch}'
            extra = float(row['extra MiB']) * 2**20 / 1e6
            if row['side'] == 'products':
                yield Check(what, f'{row["time"]}, {extra:.0f} MB')
                continue
            ratio = float(row['/ products'])
            # The other passes stand beside: ISLHead does not take them.
            asked = row['side'] in ('chunked', 'kernel')
            good = ratio <= MAX_OF_PRODUCTS and extra < MAX_EXTRA_MB
            yield Check(
                what,
                f'{row["time"]}, {ratio:.2f} x products, {extra:.0f} MB',
                f'<= {MAX_OF_PRODUCTS} x, < {MAX_EXTRA_MB} MB'
                if asked
                else '-',
                judge(good, toy=args.tiny) if asked else MEASURED,
            )

    def growing() -> Iterator[Check]:
        compared = ('products', 'chunked', 'kernel')
        some = {name: sides[name] for name in compared if name in sides}
        largest = 60_000 if args.tiny else LARGE
        problem = make_problem(largest, batch, 128, torch.float32)
        rows: list[Mapping[str, Any]] = curve(problem, some, repeats)
        cost = {(r['side'], r['N']): float(r['ns / row']) for r in rows}
        for row in rows:
            key = row['side'], row['N']
            # Small banks leave a GPU idle, so the cost there may be higher.
            base = cost.get((row['side'], IMAGENET), cost[key])
            growth = cost[key] / base
            yield Check(
                f'{row["side"]}, N = {row["N"]:,}, B = {batch}',
                f'{cost[key]:.3g} ns/row, {row["extra MiB"]} MiB',
                f'row <= {MAX_GROWTH_OF_A_ROW} x that at 1.28 M'
                if row['N'] > IMAGENET
                else '-',
                judge(growth <= MAX_GROWTH_OF_A_ROW)
                if row['N'] > IMAGENET
                else MEASURED,
            )

    yield from attempt('float32 bank', partial(at_size, 'float32'))
    yield from attempt('curve', growing)
    yield from attempt('bfloat16 bank', partial(at_size, 'bfloat16'))


def training(args: argparse.Namespace) -> Iterator[Check]:
    """Images a second of a training step."""
    from train_step import measure, parse_args

    fast = ['--amp', '--channels-last']
    small = [*fast, '--repeats', '3']
    # Batches travel through shared memory, 25 MB each and two a worker.
    enough = shutil.disk_usage('/dev/shm').free > 2**30
    workers = 8 if enough else 1
    large = ['--arch', 'r50', *fast, '--num-samples', '1281167']
    large += ['--workers', str(workers), '--steps', '20', '--repeats', '2']
    large += [] if enough else ['--batch', '32']
    r50 = f'r50, N = 1.28 M, {workers} workers'
    triton = ['--backend', 'triton']
    # A kernel that crashes takes what comes after it along.
    runs = {
        'r18, torch': small,
        f'{r50}, torch': large,
        'r18, triton': small + triton,
        f'{r50}, triton': large + triton,
    }
    if args.tiny:
        size = ['--batch', '3', '--num-samples', '11']
        runs = {'r18, torch': [*size, '--steps', '1', '--repeats', '1']}
    for name, argv in runs.items():

        def sides(name=name, argv=argv) -> Iterator[Check]:
            for row in measure(parse_args(argv))[1]:
                side, share = row['side'], row['of the side above']
                rate = float(row['images/s'])
                figure, target, good = f'{rate:,.0f} images/s', [], True
                least = MIN_SHARES.get(side[:3])
                if least is not None:
                    figure += f', {share} of the side above'
                    target.append(f'>= {least:.0f} %')
                    good = float(share.removesuffix(' %')) >= least
                if side.startswith('(c)') and name.startswith('r18'):
                    target.append(f'>= {MIN_RATE:,} images/s')
                    good = good and rate >= MIN_RATE
                figure += f', waits a step: {row["host waits a step"]}'
                yield Check(
                    f'{name}: {side}',
                    figure,
                    ', '.join(target) or '-',
                    judge(good, toy=args.tiny) if target else MEASURED,
                )

        yield from attempt(name, sides)


def mining(args: argparse.Namespace) -> Iterator[Check]:
    """Mining on this device against the CPU."""
    from mining import measure_parts, parse_args
    from mining_checks import compare_gan, compare_knn

    num_samples, iters = (200, 2) if args.tiny else (4096, 300)
    for name, comparison in (
        ('KNNMiner', partial(compare_knn, num_samples, args.device)),
        ('GANMiner', partial(compare_gan, num_samples, args.device, iters)),
    ):

        def edges(comparison=comparison) -> Iterator[Check]:
            for what, figure, target, good in comparison():
                verdict = MEASURED if good is None else judge(good)
                yield Check(what, figure, target, verdict)

        yield from attempt(name, edges)
    if find_spec('faiss') is None:
        yield Check('search by faiss', 'not installed', '-', LEFT_OUT)

    def parts() -> Iterator[Check]:
        argv = ['parts', '--max-pairs', '10000000']
        if args.tiny:
            argv = ['parts', '--num-samples', '200', '--iterations', '2']
        for row in measure_parts(parse_args(argv)):
            done = row['measured on']
            yield Check(str(row['part']), f'{row["seconds"]:.3g} s, {done}')

    yield from attempt('parts', parts)


def tests(args: argparse.Namespace) -> Iterator[Check]:
    """Tests that are skipped without a GPU."""
    if find_spec('pytest') is None:
        yield Check('pytest', 'not installed', '-', LEFT_OUT)
        return
    files = [
        path
        for path in sorted((ROOT / 'tests').rglob('test_*.py'))
        if 'cuda.is_available()' in path.read_text()
    ]
    for path in files:
        done = subprocess.run(
            [sys.executable, '-m', 'pytest', '-q', '-k', 'cuda', str(path)],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        lines = done.stdout.strip().splitlines() or ['no output']
        # 5: none there; on a GPU those that are there are not skipped.
        nothing = done.returncode == 5 or ' passed' not in lines[-1]
        good = done.returncode in (0, 5)
        yield Check(
            str(path.relative_to(ROOT)),
            lines[-1],
            'all pass',
            (LEFT_OUT if nothing else MET) if good else FAILED,
        )
