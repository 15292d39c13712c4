"""What a run that trains on labels is of, noted down in its folder."""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any

from common import ConfigError
from files import write_json
from mmengine.config import Config
from mmengine.dist import is_main_process

RECORD = 'evaluation.json'
# Arguments that change nothing of what is trained; config and overrides are
# compared by what they come to.
_INDIFFERENT = {
    'cfg_options',
    'config',
    'launcher',
    'local_rank',
    'out',
    'resume',
    'traceback',
    'work_dir',
}
# Arguments that name a file, compared by what is in it.
_FILES = ('checkpoint', 'names')


def run_settings(
    args: argparse.Namespace, pretraining: Config
) -> dict[str, Any]:
    """What the score of a run depends on, by name, as plain values.

    Args:
        args (argparse.Namespace): Of the command line.
        pretraining (Config): Its overrides merged.
    """
    settings = {
        name: str(value) if isinstance(value, Path) else value
        for name, value in vars(args).items()
        if name not in _INDIFFERENT
    }
    text = pretraining.pretty_text.encode()
    settings['config sha256'] = hashlib.sha256(text).hexdigest()
    for name in _FILES:
        path = settings.pop(name, None)
        if path is not None and Path(path).is_file():
            settings[f'{name} sha256'] = sha256_of(Path(path))
    return settings


def claim_folder(
    folder: Path, settings: dict[str, Any], *, resume: bool
) -> None:
    """Go on with this very run, or begin it where there is none.

    Args:
        folder (Path): Work dir of the run.
        settings (dict[str, Any]): From :func:`run_settings`.
        resume (bool): Whether to go on from the last checkpoint in it.

    Raises:
        ConfigError: If the folder has checkpoints that would be overwritten,
            or of a run of other settings.
    """
    checkpoints = sorted(folder.glob('*.pth'))
    if checkpoints and not resume:
        raise ConfigError(
            f'the work dir {folder} holds checkpoints of a run '
            f'({checkpoints[-1].name}); go on with --resume, or name another '
            'folder with --work-dir'
        )
    if checkpoints:
        _check_same(folder, settings)
    elif is_main_process():
        write_json(folder / RECORD, settings)


def _check_same(folder: Path, settings: dict[str, Any]) -> None:
    path = folder / RECORD
    cure = (
        'its score would be told as that of this command; name another folder '
        'with --work-dir'
    )
    if not path.is_file():
        raise ConfigError(
            f'--resume: the work dir {folder} holds checkpoints and no '
            f'{RECORD}, so they are of another kind of run; {cure}'
        )
    before = json.loads(path.read_text())
    if other := differences(before, settings):
        raise ConfigError(
            f'--resume: the work dir {folder} holds a run with '
            f'{", ".join(other)}; {cure}'
        )


def differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What is set otherwise than it was, one text each."""
    return [
        f'{name} {before.get(name)}, not {now.get(name)}'
        for name in sorted({*before, *now})
        if before.get(name) != now.get(name)
    ]


def sha256_of(path: Path) -> str:
    """SHA-256 of what is in a file, as hexadecimal digits."""
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
