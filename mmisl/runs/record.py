"""What a work directory tells of its run, also of one that died half-way."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmisl.structures import list_snapshots

from .checkpoints import find_checkpoint, step_of
from .scalars import epoch_of, merge_scalars, read_scalars

# Runs in a folder that an error lists.
_MAX_NAMED = 5


@dataclass(frozen=True)
class RunRecord:
    """What is known of a run.

    Attributes:
        work_dir: Its folder.
        name: Of the folder, to tell runs apart.
        config: As dumped by the newest start, None where that is missing or
            torn.
        scalars: All that was logged, see :func:`merge_scalars`.
        snapshots: Files of its mining stages, by round.
        info: ``run.json`` of the newest start, empty where it is missing.
        checkpoint: The newest whole one, None where there is none.
    """

    work_dir: Path
    name: str
    config: Config | None
    scalars: list[dict]
    snapshots: list[Path]
    info: dict[str, Any]
    checkpoint: Path | None

    @property
    def unit(self) -> str:
        """What the loop counts, ``'epoch'`` or ``'iteration'``."""
        train_cfg = (self.config or {}).get('train_cfg') or {}
        return 'iteration' if 'max_iters' in train_cfg else 'epoch'

    @property
    def epochs_done(self) -> int:
        """Units in the newest checkpoint, or else as logged."""
        if self.checkpoint is not None:
            step = step_of(self.checkpoint)
            if step is not None:
                return step
        return int(max(map(epoch_of, self.scalars), default=0))

    @property
    def epochs_planned(self) -> int | None:
        """Units that the config asks for, None if not known."""
        train_cfg = self.config.get('train_cfg') if self.config else None
        if not train_cfg:
            return None
        if 'max_rounds' not in train_cfg:
            return train_cfg.get('max_epochs', train_cfg.get('max_iters'))
        encoder = train_cfg['encoder']
        later = encoder['max_epochs']
        first = encoder.get('first_epochs', later)
        return first + (train_cfg['max_rounds'] - 1) * later

    @property
    def status(self) -> str:
        """In words: finished, or how far it came."""
        done, planned = self.epochs_done, self.epochs_planned
        if planned is None:
            return f'{done} {self.unit}s'
        if done >= planned:
            return 'finished'
        return f'stopped after {self.unit} {done} of {planned}'


def read_run(work_dir: str | os.PathLike[str]) -> RunRecord:
    """Read what a run has left in its folder, whatever is missing.

    Args:
        work_dir (str | PathLike): Of the run.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If it is a file, or nothing in it is of a run.
    """
    folder = Path(work_dir)
    if folder.exists() and not folder.is_dir():
        raise ValueError(
            f'{folder} is a file, not a folder; name the folder that was '
            'given as --work-dir, work_dirs/CONFIG by default'
        )
    if not folder.is_dir():
        raise FileNotFoundError(f'there is no work dir {folder}')
    starts = _starts_of(folder)
    checkpoint = find_checkpoint(folder)
    if not starts and checkpoint is None:
        raise ValueError(
            f'{folder} is no work dir of a run: it has neither logs '
            f'(*/vis_data) nor checkpoints; {_cure(folder)}'
        )
    logs = [start / 'vis_data' / 'scalars.json' for start in starts]
    return RunRecord(
        work_dir=folder,
        name=folder.resolve().name,
        config=_read_config(folder, starts),
        scalars=merge_scalars(
            [read_scalars(path) for path in logs if path.is_file()]
        ),
        snapshots=list_snapshots(folder),
        info=_read_info(starts),
        checkpoint=checkpoint,
    )


def _starts_of(folder: Path) -> list[Path]:
    """Folders of logs; named by their time, so they sort by it."""
    return sorted(path.parent for path in folder.glob('*/vis_data'))


def _cure(folder: Path) -> str:
    """Which folder to name in place of one that is of no run."""
    runs = sorted(
        path
        for path in folder.iterdir()
        if path.is_dir() and (_starts_of(path) or find_checkpoint(path))
    )
    if runs:
        names = [str(path) for path in runs[:_MAX_NAMED]]
        if len(runs) > _MAX_NAMED:
            names.append(f'and {len(runs) - _MAX_NAMED} more')
        return f'name a run in it: {", ".join(names)}'
    return (
        'name the folder that was given as --work-dir, work_dirs/CONFIG by '
        'default'
    )


def _read_config(folder: Path, starts: list[Path]) -> Config | None:
    """The newest config that can be read."""
    files = [start / 'vis_data' / 'config.py' for start in reversed(starts)]
    for path in [*files, *sorted(folder.glob('*.py'))]:
        try:
            # It may name packages that are not installed where it is read.
            return Config.fromfile(path, import_custom_modules=False)
        except Exception:
            # A config is a program: cut off inside a word it names what is
            # not defined, and moved it lacks its base.
            continue
    return None


def _read_info(starts: list[Path]) -> dict[str, Any]:
    """The newest ``run.json`` that is whole."""
    for start in reversed(starts):
        try:
            return json.loads((start / 'run.json').read_text('utf-8'))
        except (OSError, ValueError):
            continue
    return {}
