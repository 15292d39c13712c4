"""One training in a folder of its own, in as many parts as it takes."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from common import ConfigError
from files import replace_text

from mmisl.engine.run_facts import commit_of_code

from .processes import STOPPED, Stretch, watch

ROOT = Path(__file__).resolve().parents[2]
TRAIN = ROOT / 'tools' / 'train.py'
# Has the digest of all that a run depends on but its seed.
_MARKER = 'config.sha256'
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
    def clock(self) -> Path:
        """Where its wall seconds so far are written."""
        return self.folder / 'seconds.txt'

    @property
    def peak_memory(self) -> Path:
        """Where the most memory that it took is written."""
        return self.folder / 'peak_memory_gib.txt'

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


def claim(run: Run, text: str) -> None:
    """Mark a folder as that of a run; one without a mark is taken for it.

    Args:
        run (Run): Whose folder it is.
        text (str): All that the run depends on.

    Raises:
        ConfigError: If the folder holds a run that depends on something else.
    """
    digest = hashlib.sha256(text.encode()).hexdigest()
    marker = run.folder / _MARKER
    if marker.is_file() and marker.read_text() != digest:
        raise ConfigError(
            f'{run.folder} holds a run of another state of {run.config}; '
            'remove that folder, or choose another --work-dir'
        )
    replace_text(marker, digest)


def digest_in(folder: Path) -> str:
    """Of the config, overrides merged, whose run a folder was marked as."""
    return (folder / _MARKER).read_text()


def train_one(
    run: Run,
    num_epochs: int,
    *,
    options: dict[str, Any],
    jobs: int,
    stretch: Stretch | None = None,
) -> tuple[float | None, int]:
    """Train in a process of its own, going on where it was cut short.

    A run whose last checkpoint is that of the last epoch is left as it is.

    Args:
        run (Run): To train.
        num_epochs (int): All of its epochs.
        options (dict[str, Any]): Overrides of its config.
        jobs (int): Trainings that go on at a time, and share the cores.
        stretch (Stretch, optional): When to stop; never by default.

    Returns:
        tuple[float | None, int]: Wall seconds over all its parts, None where
        those of one are not known; exit status, :data:`STOPPED` if the
        stretch was over before the run was.
    """
    if run.num_done == num_epochs:
        return seconds_so_far(run), 0
    if stretch is not None and stretch.is_over:
        return seconds_so_far(run), STOPPED
    command = [sys.executable, *training_words(run, options)]
    threads = (os.cpu_count() or 1) // jobs
    return run_timed(run, command, threads=threads, stretch=stretch)


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
    """Wall seconds of all parts of a run; None if those of one are lost."""
    if not run.clock.is_file():
        # What has a checkpoint was trained by another command.
        return None if run.num_done else 0.0
    # Empty while a part runs, and for good if it never came to its end.
    text = run.clock.read_text()
    return float(text) if text else None


def peak_memory_of(run: Run) -> float | None:
    """The most memory that a part of a run has taken, in GiB, if known."""
    if not run.peak_memory.is_file():
        return None
    return float(run.peak_memory.read_text())


def run_timed(
    run: Run,
    command: list[str],
    *,
    threads: int,
    stretch: Stretch | None = None,
) -> tuple[float | None, int]:
    """Run a part of a training; note its time, memory, commit and output.

    Args:
        run (Run): Whose folder is written to.
        command (list[str]): That trains.
        threads (int): Of each process, where OMP_NUM_THREADS is not set; at
            least 1 is given.
        stretch (Stretch, optional): When to stop it; never by default.

    Returns:
        tuple[float | None, int]: As :func:`train_one`.

    Raises:
        RuntimeError: If another process still trains in that folder.
    """
    before = seconds_so_far(run)
    with locked(run) as lock, open(run.log, 'a') as log:
        replace_text(run.clock, '')
        commits = run.commit.read_text() if run.commit.is_file() else ''
        known = dict.fromkeys(
            [*commits.split(), commit_of_code() or NO_COMMIT]
        )
        replace_text(run.commit, ' '.join(known))
        start = time.perf_counter()
        status, peak = watch(
            command,
            stretch or Stretch(),
            stdout=log,
            stderr=subprocess.STDOUT,
            # Who has set the number of threads knows why.
            env={'OMP_NUM_THREADS': str(max(1, threads)), **os.environ},
            # It has the lock as long as it lives, also without this tool.
            pass_fds=[lock.fileno()],
        )
    if peak is not None:
        peak = max(peak, peak_memory_of(run) or 0.0)
        replace_text(run.peak_memory, f'{peak:.3f}')
    if before is None:
        return None, status
    seconds = before + time.perf_counter() - start
    replace_text(run.clock, f'{seconds:.1f}')
    return seconds, status


@contextmanager
def locked(run: Run) -> Iterator[IO[str]]:
    """Have the folder of a run for oneself; gives the file of the lock.

    Raises:
        RuntimeError: If another process still trains in that folder.
    """
    run.folder.mkdir(parents=True, exist_ok=True)
    with open(run.folder / 'lock', 'w') as lock:
        _take(lock, run)
        yield lock


def _take(lock: IO[str], run: Run) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise RuntimeError(
            f'{run.folder} is in use: a training that an earlier command '
            'began still runs there; wait for its end or stop it, then give '
            'the same command again'
        ) from error
