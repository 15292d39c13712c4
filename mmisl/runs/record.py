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
        ValueError: If nothing in it is of a run.
    """
    folder = Path(work_dir)
    if not folder.is_dir():
        raise FileNotFoundError(f'there is no work dir {folder}')
    # Named by their time, so they sort by it.
    starts = sorted(path.parent for path in folder.glob('*/vis_data'))
    checkpoint = find_checkpoint(folder)
    if not starts and checkpoint is None:
        raise ValueError(
            f'{folder} is no work dir of a run: it has neither logs '
            '(*/vis_data) nor checkpoints; name the folder that was given as '
            '--work-dir, work_dirs/CONFIG by default'
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
