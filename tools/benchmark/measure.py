"""What all benchmarks share: times, peak memory, and a report of both.

A machine that others use as well is never twice the same, so what is compared
runs in one process and takes turns.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import platform
import shlex
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from mmisl.environment import check_environment

try:
    # Every benchmark imports this module before what the check speaks of.
    check_environment()
except RuntimeError as error:
    sys.exit(f'error: {error}')

import torch  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.markup import escape  # noqa: E402
from rich.table import Table  # noqa: E402

Row = Mapping[str, object]


@dataclass(frozen=True)
class Timing:
    """Wall time of one side, in seconds, over all its turns.

    ``cpu`` is the median of the seconds that the process' threads computed:
    what others take from a busy machine is not in it.
    """

    median: float
    fastest: float
    slowest: float
    cpu: float

    def __str__(self) -> str:
        return f'{self.median:.3g} s ({self.fastest:.3g} - {self.slowest:.3g})'


@dataclass(frozen=True)
class Spread:
    """One number under several seeds: what each gave, mean and deviation."""

    values: Sequence[float]
    mean: float
    deviation: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of one value or more; of one the deviation is 0."""
        several = len(values) > 1
        return cls(
            values=list(values),
            mean=statistics.mean(values),
            deviation=statistics.stdev(values) if several else 0.0,
        )

    def __str__(self) -> str:
        numbers = (self.mean, self.deviation)[: len(self.values)]
        return ' ± '.join(
            f'{number:,.0f}' if abs(number) >= 100 else f'{number:.3g}'
            for number in numbers
        )


def describe_machine() -> dict[str, str | int]:
    """What a figure depends on: processor, cores, threads, GPU, versions."""
    gpu = 'none'
    if torch.cuda.is_available():
        gpu = torch.cuda.get_device_name()
    return dict(
        cpu=_cpu_name(),
        cores=os.cpu_count() or 0,
        threads=torch.get_num_threads(),
        gpu=gpu,
        torch=torch.__version__,
        python=platform.python_version(),
    )


def time_side_by_side(
    sides: Mapping[str, Callable[[], object]],
    *,
    repeats: int = 5,
    warmup: int = 1,
) -> dict[str, Timing]:
    """Time functions in turns: a, b, c, a, b, c, ...

    Args:
        sides (Mapping[str, Callable]): Name -> function without arguments.
            What it returns is dropped; CUDA work is waited for.
        repeats (int): Turns that count.
        warmup (int): Turns before those.

    Returns:
        dict[str, Timing]: Name -> its timing, in the order of ``sides``.
    """
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    cpu: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(warmup + repeats):
        for name, function in sides.items():
            synchronize()
            start, cpu_start = time.perf_counter(), time.process_time()
            function()
            synchronize()
            if turn >= warmup:
                seconds[name].append(time.perf_counter() - start)
                cpu[name].append(time.process_time() - cpu_start)
    return {
        name: Timing(
            median=statistics.median(turns),
            fastest=min(turns),
            slowest=max(turns),
            cpu=statistics.median(cpu[name]),
        )
        for name, turns in seconds.items()
    }


def peak_memory(function: Callable[[], object]) -> int:
    """Bytes that ``function`` needs at its peak above what is held before.

    On a GPU the allocator's own count. On a CPU the resident memory of the
    process, whose high-water mark Linux resets on request: unlike a count of
    tensors it sees the scratch memory of the matrix libraries too. Freed
    memory is handed back first, else it would be used again unseen.

    Raises:
        OSError: If there is neither CUDA nor Linux' ``/proc``.
    """
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        function()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before
    ctypes.CDLL('libc.so.6').malloc_trim(0)
    Path('/proc/self/clear_refs').write_text('5')  # resets VmHWM to VmRSS
    before = _status_bytes('VmHWM')
    function()
    return _status_bytes('VmHWM') - before


def report(
    title: str, rows: Sequence[Row], *, out: Path | None = None
) -> None:
    """Print a table with machine, date and command; write them as JSON.

    Args:
        title (str): What was measured, with its sizes.
        rows (Sequence[Row]): Column -> value, same columns in each. A
            :class:`Timing` or :class:`Spread` is printed as text and written
            as its numbers.
        out (Path, optional): JSON file; its folder is made.
    """
    machine = describe_machine()
    date = datetime.now(timezone.utc).strftime('%Y-%m-%d')
    command = shlex.join(['python', *sys.argv])
    table = Table(title=title, title_justify='left')
    for index, column in enumerate(rows[0]):
        table.add_column(column, justify='right' if index else 'left')
    for row in rows:
        table.add_row(*(escape(_cell(value)) for value in row.values()))
    # A pipe has no width, and a wrapped table is hard to read.
    console = Console(width=None if sys.stdout.isatty() else 170)
    console.print(table)
    console.print(
        ', '.join(f'{key} {value}' for key, value in machine.items()),
        highlight=False,
    )
    console.print(f'{date}  {command}', highlight=False, soft_wrap=True)
    if out is not None:
        content = dict(
            title=title,
            date=date,
            command=command,
            machine=machine,
            rows=rows,
        )
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(content, indent=2, default=vars) + '\n')


def _cell(value: object) -> str:
    return f'{value:.3g}' if isinstance(value, float) else str(value)


def synchronize() -> None:
    """Wait for the GPU, if there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _status_bytes(key: str) -> int:
    """A line of /proc/self/status such as ``VmHWM:  1234 kB``, in bytes."""
    for line in Path('/proc/self/status').read_text().splitlines():
        if line.startswith(f'{key}:'):
            return int(line.split()[1]) * 1024
    raise OSError(f'/proc/self/status has no line {key}')


def _cpu_name() -> str:
    cpuinfo = Path('/proc/cpuinfo')
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith('model name'):
                return line.partition(':')[2].strip()
    return platform.processor() or 'unknown'
