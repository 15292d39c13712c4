"""Every check that needs a GPU, in one command of a few minutes.

    python tools/benchmark/gpu_checks.py --out gpu_checks.json

Sections, each in a process of its own, so that none can stop another:

    kernels    Triton kernels against the chunked torch form in float64
    waiting    what in a training step makes the host wait for the GPU
    bank_loss  time and memory of the loss over the bank, N up to 10 M
    training   images/s: backbone, ISL step, loop; ResNet-18 and ResNet-50
    mining     edges and GAN on the GPU against the CPU; time of the parts
    tests      those of tests/ that are skipped without a GPU (needs pytest)

Prints one table and ends with 0 if nothing was missed or failed. Where there
is no GPU, ``--device cpu --tiny`` runs the same code at toy size, with the
kernels in Triton's interpreter; it judges numbers and no times.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import gpu_sections
import torch
from gpu_sections import FAILED, MISSED, Check
from measure import report

# Most seconds of a section; the whole is bounded by --minutes.
LIMITS = dict(
    kernels=150, waiting=60, bank_loss=90, training=150, mining=120, tests=120
)


def run_section(
    name: str, args: argparse.Namespace, limit: float
) -> list[Check]:
    """Checks of a section, also those made before it failed.

    Args:
        name (str): Of :data:`LIMITS`.
        args (argparse.Namespace): Of the command line.
        limit (float): Seconds until it is stopped.

    Returns:
        list[Check]: What it found, and how it failed if it did.
    """
    if limit <= 0:
        return [_failure(f'no time left of {args.minutes} min')]
    environment = dict(os.environ)
    # This checkout, also where mmisl is not installed.
    paths = [str(gpu_sections.ROOT), environment.get('PYTHONPATH', '')]
    environment['PYTHONPATH'] = os.pathsep.join(filter(None, paths))
    if args.device == 'cpu':
        # mmengine takes a GPU wherever it sees one.
        environment['CUDA_VISIBLE_DEVICES'] = ''
        if name == 'kernels':
            environment['TRITON_INTERPRET'] = '1'
    with tempfile.TemporaryDirectory() as folder:
        found, log = Path(folder, 'found'), Path(folder, 'log')
        found.touch()
        command = [sys.executable, __file__, '--device', args.device]
        command += ['--section', name, '--found', str(found)]
        command += ['--tiny'] if args.tiny else []
        with log.open('w') as stream:
            process = subprocess.Popen(
                command,
                env=environment,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )
            trouble = _wait(process, limit)
        lines = log.read_text(errors='replace').split('\n')
        checks = [
            Check(**json.loads(line))
            for line in found.read_text().splitlines()
        ]
    if trouble:
        last = next((line for line in reversed(lines) if line.strip()), '')
        checks.append(_failure(f'{trouble}: {last.strip()[:200]}'))
    return checks


def _failure(figure: str) -> Check:
    return Check('the whole section', figure, '-', FAILED)


def _wait(process: subprocess.Popen, limit: float) -> str:
    """Wait for the end of a process; what went wrong, or nothing."""
    try:
        code = process.wait(limit)
        return f'ended with {code}' if code else ''
    except subprocess.TimeoutExpired:
        return f'stopped after {limit:.0f} s'
    finally:
        # With the workers of its loaders, if there are any left.
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()


def run_here(args: argparse.Namespace) -> None:
    """Run one section in this process; a line of JSON for each check."""
    section = getattr(gpu_sections, args.section)
    with args.found.open('a') as stream:
        for check in section(args):
            stream.write(json.dumps(asdict(check)) + '\n')
            stream.flush()


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read ``argv``, or the command line if that is None."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--device', choices=('cuda', 'cpu'), default='cuda')
    parser.add_argument('--tiny', action='store_true', help='toy size')
    parser.add_argument(
        '--only', choices=LIMITS, nargs='+', default=list(LIMITS)
    )
    parser.add_argument(
        '--minutes', type=float, default=8, help='of all sections together'
    )
    parser.add_argument('--out', type=Path, help='JSON file to write')
    # How this program calls itself.
    parser.add_argument('--section', choices=LIMITS, help=argparse.SUPPRESS)
    parser.add_argument('--found', type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.device == 'cpu' and not args.tiny:
        parser.error('--device cpu needs --tiny: the full size is for a GPU')
    return args


def main(args: argparse.Namespace) -> int:
    """Run what the command line says; the exit status."""
    if args.device == 'cuda' and not torch.cuda.is_available():
        print(
            'gpu_checks: no GPU is visible to torch; run it on a machine '
            'with one, or try it with --device cpu --tiny',
            file=sys.stderr,
        )
        return 2
    if args.section:
        run_here(args)
        return 0
    begin = time.perf_counter()
    rows = []
    for name in args.only:
        start = time.perf_counter()
        left = 60 * args.minutes - (start - begin)
        checks = run_section(name, args, min(LIMITS[name], left))
        seconds = time.perf_counter() - start
        print(f'{name}: {len(checks)} checks in {seconds:.0f} s', flush=True)
        rows += [dict(section=name, **asdict(check)) for check in checks]
    wrong = sum(row['verdict'] in (MISSED, FAILED) for row in rows)
    size = 'toy size, no times are judged' if args.tiny else 'full size'
    report(
        f'Checks on {args.device}, {size}, '
        f'{time.perf_counter() - begin:.0f} s: {wrong} missed or failed',
        rows,
        out=args.out,
    )
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main(parse_args()))
