"""Pretrainings and what begins with them, several at a time."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

from comparison.runs import Run, train_one
from rich.console import Console

from mmisl.progress import Bar, is_shown


@dataclass(frozen=True)
class Job:
    """One training, and how it is to be done.

    Attributes:
        title: What the terminal calls it.
        run: Its config, seed and folder.
        length: How long it trains.
        unit: What ``length`` counts, as a word.
        options: Overrides of its config.
    """

    title: str
    run: Run
    length: int
    unit: str
    options: dict[str, Any] = field(default_factory=dict)


def train_chains(
    chains: Sequence[Sequence[Job]], *, jobs: int, console: Console
) -> dict[Run, float | None]:
    """Train what is not finished yet, in processes of their own.

    Args:
        chains (Sequence[Sequence[Job]]): A job waits for the one before it
            in its chain, and for no other.
        jobs (int): Chains at a time.
        console (Console): Shows how far all jobs are on a terminal, and a
            line for every finished one elsewhere.

    Returns:
        dict[Run, float | None]: Wall seconds of every run over all its
        parts, None where those of one are not known.

    Raises:
        RuntimeError: If a run failed; the other chains were finished.
    """
    progress = ChainProgress(console, [job for c in chains for job in c])
    seconds: dict[Run, float | None] = {}
    with progress, ThreadPoolExecutor(jobs) as pool:
        futures = [
            pool.submit(_train_chain, chain, jobs, seconds) for chain in chains
        ]
        while wait(futures, timeout=1).not_done:
            progress.update()
        progress.update()
    failed = [job for future in futures if (job := future.result())]
    if failed:
        names = ', '.join(job.title for job in failed)
        raise RuntimeError(
            f'{names} failed; see {failed[0].run.log}, then give the same '
            'command again: what is finished is kept'
        )
    return seconds


def _train_chain(
    chain: Sequence[Job], jobs: int, seconds: dict[Run, float | None]
) -> Job | None:
    """Train one job after the other; the one that failed, or None."""
    for job in chain:
        seconds[job.run], status = train_one(
            job.run, job.length, options=job.options, jobs=jobs
        )
        if seconds[job.run] is None and not job.run.clock.is_file():
            seconds[job.run] = 0.0  # another command has trained it
        if status:
            return job
    return None


class ChainProgress:
    """How far several trainings are, read from their folders."""

    def __init__(self, console: Console, jobs: Sequence[Job]) -> None:
        self.console = console
        self.jobs = jobs
        self.finished: set[Run] = set()
        self.bars: dict[Run, Bar] = {}

    def __enter__(self) -> ChainProgress:
        for job in self.jobs:
            self.bars[job.run] = Bar(f'{job.title} ({job.unit}s)', job.length)
        return self

    def __exit__(self, *unused: object) -> None:
        for bar in self.bars.values():
            bar.close()

    def update(self) -> None:
        """Look how far all are."""
        for job in self.jobs:
            done = job.run.num_done
            self.bars[job.run].update(completed=done)
            if done >= job.length and job.run not in self.finished:
                self.finished.add(job.run)
                if not is_shown():
                    self.console.print(f'{job.title}: trained')
