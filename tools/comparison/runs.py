"""Trains every method with every seed, once."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from common import ConfigError
from files import replace_text, write_json
from mmengine.config import Config

from mmisl.engine.run_facts import commit_of_code
from mmisl.progress import Bar

from .budget import as_text, schedule_of

ROOT = Path(__file__).resolve().parents[2]
TRAIN = ROOT / 'tools' / 'train.py'
# Where there is no git.
NO_COMMIT = 'unknown'


@dataclass(frozen=True)
class Run:
    """One method with one seed.

    Attributes:
        config: Path of its config.
        seed: Of everything random.
        folder: Where it trains.
    """

    config: Path
    seed: int
    folder: Path

    @property
    def name(self) -> str:
        """Of the config, without its suffix."""
        return self.config.stem

    @property
    def result(self) -> Path:
        """Where its scores are written once it is finished."""
        return self.folder / 'result.json'

    @property
    def log(self) -> Path:
        """What its training printed."""
        return self.folder / 'train.log'

    @property
    def commit(self) -> Path:
        """Where the commits of the code that trained it are written."""
        return self.folder / 'commit.txt'

    @property
    def checkpoint(self) -> Path:
        """The last one."""
        return Path((self.folder / 'last_checkpoint').read_text().strip())

    @property
    def num_done(self) -> int:
        """Epochs, or iterations, of its last checkpoint; 0 without one."""
        if not (self.folder / 'last_checkpoint').is_file():
            return 0
        return int(self.checkpoint.stem.rpartition('_')[2])


# Of a run and its config; after the training has ended.
Score = Callable[[Run, Config], dict[str, Any]]


def train_all(
    runs: list[Run],
    configs: dict[Path, Config],
    *,
    score: Score,
    options: dict[str, Any],
    jobs: int,
) -> list[Run]:
    """Train and score what is not finished yet.

    Args:
        runs (list[Run]): All that is wanted.
        configs (dict[Path, Config]): By the path that runs name.
        score (Score): Applied to every finished run.
        options (dict[str, Any]): Overrides of the configs.
        jobs (int): Trainings at a time.

    Returns:
        list[Run]: Those that failed.
    """
    pending = [run for run in runs if not is_finished(run, configs)]
    failed = []
    done = len(runs) - len(pending)
    with (
        Bar('runs', len(runs), completed=done) as bar,
        ThreadPoolExecutor(jobs) as pool,
    ):
        futures: dict[Future, Run] = {
            pool.submit(
                train_one,
                run,
                schedule_of(configs[run.config]).total_epochs,
                options=options,
                jobs=jobs,
            ): run
            for run in pending
        }
        for future in as_completed(futures):
            run = futures[future]
            bar.advance()
            seconds, status = future.result()
            if status:
                failed.append(run)
                continue
            result = dict(
                name=run.name,
                seed=run.seed,
                commit=run.commit.read_text(),
                **score(run, configs[run.config]),
            )
            if seconds is not None:
                result['seconds'] = round(seconds, 1)
            write_json(run.result, result)
            print(
                f'{run.name}, seed {run.seed}: kNN {result["knn"]:.1f}, '
                f'linear {result["linear"]:.1f}',
                flush=True,
            )
    return failed


def is_finished(run: Run, configs: dict[Path, Config]) -> bool:
    """Whether a run was trained and scored; marks its folder as its own.

    Raises:
        ConfigError: If the folder holds a run of another config.
    """
    text = as_text(configs[run.config].to_dict())
    digest = hashlib.sha256(text.encode()).hexdigest()
    marker = run.folder / 'config.sha256'
    if marker.is_file() and marker.read_text() != digest:
        raise ConfigError(
            f'{run.folder} holds a run of another state of {run.config}; '
            'remove that folder, or choose another --work-dir'
        )
    replace_text(marker, digest)
    return run.result.is_file()


def train_one(
    run: Run, num_epochs: int, *, options: dict[str, Any], jobs: int
) -> tuple[float | None, int]:
    """Train in a process of its own, going on where it was cut short.

    A run whose last checkpoint is that of the last epoch is left as it is.

    Returns:
        tuple[float | None, int]: Wall seconds over all its parts, None where
        those of one are not known; exit status.
    """
    if run.num_done == num_epochs:
        return seconds_so_far(run), 0
    command = [sys.executable, *training_words(run, options)]
    return run_timed(run, command, threads=(os.cpu_count() or 1) // jobs)


def training_words(run: Run, options: dict[str, Any]) -> list[str]:
    """Command line of tools/train.py that goes on with a run."""
    overrides = {**options, 'randomness.seed': run.seed}
    return [
        str(TRAIN),
        str(run.config),
        '--work-dir',
        str(run.folder),
        '--resume',
        'auto',
        '--cfg-options',
        *(f'{key}={value}' for key, value in overrides.items()),
    ]


def seconds_so_far(run: Run) -> float | None:
    """Wall seconds of all parts of a run; None if one was killed with us."""
    # Empty while a part runs, and for good if it never came to its end.
    clock = run.folder / 'seconds.txt'
    text = clock.read_text() if clock.is_file() else '0'
    return float(text) if text else None


def run_timed(
    run: Run, command: list[str], *, threads: int
) -> tuple[float | None, int]:
    """Run a part of a training, and note down its time, commit and output.

    Args:
        run (Run): Whose folder is written to.
        command (list[str]): That trains.
        threads (int): Of each process, where OMP_NUM_THREADS is not set; at
            least 1 is given.

    Returns:
        tuple[float | None, int]: As :func:`train_one`.

    Raises:
        RuntimeError: If another process still trains in that folder.
    """
    before = seconds_so_far(run)
    run.folder.mkdir(parents=True, exist_ok=True)
    with open(run.folder / 'lock', 'w') as lock, open(run.log, 'a') as log:
        _take(lock, run)
        replace_text(run.folder / 'seconds.txt', '')
        commits = run.commit.read_text() if run.commit.is_file() else ''
        known = dict.fromkeys(
            [*commits.split(), commit_of_code() or NO_COMMIT]
        )
        replace_text(run.commit, ' '.join(known))
        start = time.perf_counter()
        status = subprocess.run(
            command,
            stdout=log,
            stderr=subprocess.STDOUT,
            # Who has set the number of threads knows why.
            env={'OMP_NUM_THREADS': str(max(1, threads)), **os.environ},
            # It has the lock as long as it lives, also without this tool.
            pass_fds=[lock.fileno()],
        ).returncode
    if before is None:
        return None, status
    seconds = before + time.perf_counter() - start
    replace_text(run.folder / 'seconds.txt', f'{seconds:.1f}')
    return seconds, status


def _take(lock: IO[str], run: Run) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise RuntimeError(
            f'{run.folder} is in use: a training that an earlier command '
            'began still runs there; wait for its end or stop it, then give '
            'the same command again'
        ) from error
