"""Trains every method with every seed, once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from files import replace_text, write_json
from mmengine.config import Config

from mmisl.progress import Bar

from .budget import as_text, schedule_of
from .first_rounds import branch
from .processes import STOPPED, Stretch
from .runs import Run, claim, locked, train_one
from .sharing import FirstRound

# Of a run and its config; after the training has ended.
Score = Callable[[Run, Config], dict[str, Any]]


@dataclass(frozen=True)
class Task:
    """A training.

    Attributes:
        run: That is trained.
        num_epochs: All of its epochs.
        options: Overrides of its config.
    """

    run: Run
    num_epochs: int
    options: dict[str, Any]


def train_all(
    runs: Sequence[Run],
    configs: Mapping[Path, Config],
    *,
    score: Score,
    options: dict[str, Any],
    jobs: int,
    first_rounds: Mapping[Run, FirstRound],
    stretch: Stretch,
) -> list[Run]:
    """Train and score what is not finished yet.

    Args:
        runs (Sequence[Run]): All that is wanted.
        configs (Mapping[Path, Config]): By the path that runs name.
        score (Score): Applied to every finished run.
        options (dict[str, Any]): Overrides of the configs.
        jobs (int): Trainings at a time.
        first_rounds (Mapping[Run, FirstRound]): What runs go on from that
            have not begun.
        stretch (Stretch): When it is over nothing more is begun or scored,
            and trainings are stopped.

    Returns:
        list[Run]: Those that failed, among them first rounds.
    """
    pending = []
    for run in runs:
        claim(run, as_text(configs[run.config].to_dict()))
        if not run.result.is_file():
            pending.append(run)
    wanted = _unfinished(pending, first_rounds)
    total = len(runs) + len(wanted)
    try:
        with Bar('runs', total, completed=len(runs) - len(pending)) as bar:
            failed = _train_first_rounds(
                wanted, options=options, jobs=jobs, stretch=stretch, bar=bar
            )
            ready = _begin(pending, configs, first_rounds, stretch)
            tasks = [
                Task(
                    run, schedule_of(configs[run.config]).total_epochs, options
                )
                for run in ready
            ]
            for run, status in train_many(tasks, jobs=jobs, stretch=stretch):
                bar.advance()
                if status not in (0, STOPPED):
                    failed.append(run)
                elif status == 0 and not stretch.is_over:
                    _score(run, configs[run.config], score)
    except BaseException:
        # Also where it was not in train_many, such as in a score.
        stretch.cut_short()
        raise
    return failed


def train_many(
    tasks: Sequence[Task], *, jobs: int, stretch: Stretch
) -> Iterator[tuple[Run, int]]:
    """Train several at a time; gives each run and its status at its end.

    Args:
        tasks (Sequence[Task]): What to train, in this order.
        jobs (int): Trainings at a time.
        stretch (Stretch): When to stop; over after an error or an interrupt.

    Raises:
        RuntimeError: If another process trains in the folder of a run.
    """
    with ThreadPoolExecutor(jobs) as pool:
        futures: dict[Future, Run] = {
            pool.submit(
                train_one,
                task.run,
                task.num_epochs,
                options=task.options,
                jobs=jobs,
                stretch=stretch,
            ): task.run
            for task in tasks
        }
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()[1]
        except BaseException:
            # The pool waits for its threads, which would train all the rest.
            stretch.cut_short()
            raise


def _unfinished(
    pending: Sequence[Run], first_rounds: Mapping[Run, FirstRound]
) -> list[FirstRound]:
    """First rounds that a run waits for which has not begun."""
    waited_for = dict.fromkeys(
        first_rounds[run]
        for run in pending
        if run in first_rounds and run.num_done == 0
    )
    for first in waited_for:
        claim(first, first.text)
    return [first for first in waited_for if not first.end.is_file()]


def _train_first_rounds(
    wanted: Sequence[FirstRound],
    *,
    options: dict[str, Any],
    jobs: int,
    stretch: Stretch,
    bar: Bar,
) -> list[Run]:
    """Train them; those that failed.

    Raises:
        RuntimeError: If one has gone on, and lost the checkpoint of its end.
    """
    tasks = [
        Task(first, first.num_epochs, {**options, **first.options})
        for first in wanted
    ]
    statuses = {}
    for run, status in train_many(tasks, jobs=jobs, stretch=stretch):
        bar.advance()
        statuses[run] = status
    for first in wanted:
        if statuses[first] == 0 and not first.end.is_file():
            raise RuntimeError(
                f'{first.folder} stands after epoch {first.num_done} and has '
                f'no {first.end.name} to go on from any more; remove that '
                'folder, and it is trained anew'
            )
    return [first for first in wanted if statuses[first] not in (0, STOPPED)]


def _begin(
    pending: Sequence[Run],
    configs: Mapping[Path, Config],
    first_rounds: Mapping[Run, FirstRound],
    stretch: Stretch,
) -> list[Run]:
    """Let runs go on from their first round; those that can be trained.

    One after the other: each sets the seed of this process.
    """
    ready = []
    for run in pending:
        first = first_rounds.get(run)
        if first is not None and run.num_done == 0:
            if stretch.is_over or not first.end.is_file():
                continue
            with locked(run):
                replace_text(run.clock, '0.0')
                branch(
                    configs[run.config], first.end, run.folder, seed=run.seed
                )
        ready.append(run)
    return ready


def _score(run: Run, cfg: Config, score: Score) -> None:
    result = dict(name=run.name, seed=run.seed, **score(run, cfg))
    write_json(run.result, result)
    print(
        f'{run.name}, seed {run.seed}: kNN {result["knn"]:.1f}, '
        f'linear {result["linear"]:.1f}',
        flush=True,
    )
