"""Trains every cell of a table with every seed, once."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common import ConfigError
from comparison.runs import (
    Run,
    run_timed,
    seconds_so_far,
    training_words,
)
from files import write_json
from mmengine.config import Config
from scoring.run_record import differences, sha256_of

from .cells import RANDOM, Cell, pretrained_options


@dataclass(frozen=True)
class CellRun(Run):
    """One cell with one seed.

    Attributes:
        cell: What is trained.
        options: Overrides of its config, besides the checkpoint.
    """

    cell: Cell
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Of the cell."""
        return self.cell.name

    @property
    def record(self) -> Path:
        """Where is written what it depends on."""
        return self.folder / 'run.json'


def length_of(cfg: Config) -> int:
    """Iterations of a training, or its epochs if it counts those."""
    return cfg.train_cfg.get('max_iters') or cfg.train_cfg.max_epochs


def settings_of(run: CellRun, cfg: Config, *, processes: int) -> dict:
    """What the scores of a run depend on, as plain values.

    Args:
        run (CellRun): That is to be trained.
        cfg (Config): Its config, overrides and checkpoint merged.
        processes (int): That train; the batch is of all of them.
    """
    model = cfg.model.to_dict()
    if run.cell.checkpoint != RANDOM:
        # What is in the file counts, and not where it lies.
        model['init_cfg'] |= dict(checkpoint=None)
    text = Config({**cfg.to_dict(), 'model': model}).pretty_text
    return {
        'config sha256': hashlib.sha256(text.encode()).hexdigest(),
        'checkpoint sha256': RANDOM
        if run.cell.checkpoint == RANDOM
        else sha256_of(Path(run.cell.checkpoint)),
        'seed': run.seed,
        'processes': processes,
    }


def claim(run: CellRun, settings: dict[str, Any]) -> None:
    """Mark the folder of a run as its own, or find it marked.

    Raises:
        ConfigError: If it holds another run.
    """
    cure = 'remove that folder, or name another one with --out'
    if run.record.is_file():
        before = json.loads(run.record.read_text())
        if other := differences(before, settings):
            raise ConfigError(
                f'{run.folder} holds a run of other settings: '
                f'{", ".join(other)}; {cure}'
            )
    elif any(run.folder.glob('*.pth')):
        raise ConfigError(
            f'{run.folder} holds checkpoints and no {run.record.name}, so '
            f'they are of another kind of run; {cure}'
        )
    else:
        write_json(run.record, settings)


def train(
    run: CellRun, cfg: Config, *, processes: int
) -> tuple[float | None, int]:
    """Train in processes of its own, going on where it was cut short.

    A run whose last checkpoint is that of the last step is left as it is.

    Args:
        run (CellRun): That :func:`claim` has marked.
        cfg (Config): Of the run.
        processes (int): Of one machine, on a GPU each if there are any.

    Returns:
        tuple[float | None, int]: Wall seconds over all parts, None where
        those of one are not known; exit status.

    Raises:
        RuntimeError: If a process that an earlier command began still trains.
    """
    if run.num_done == length_of(cfg):
        return seconds_so_far(run), 0
    command = training_words(
        run, {**run.options, **pretrained_options(run.cell.checkpoint)}
    )
    if processes > 1:
        launch = ['-m', 'torch.distributed.run', '--standalone']
        launch += ['--nproc-per-node', str(processes)]
        command = [*launch, *command, '--launcher', 'pytorch']
    threads = (os.cpu_count() or 1) // processes
    return run_timed(run, [sys.executable, *command], threads=threads)
