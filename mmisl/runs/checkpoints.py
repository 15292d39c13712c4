"""The checkpoint that a run stands at."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

_NAME = re.compile(r'(?:epoch|iter)_(\d+)')


def is_whole(path: str | Path) -> bool:
    """Whether a checkpoint has its end, which lists what it holds."""
    return zipfile.is_zipfile(path)


def find_checkpoint(work_dir: Path) -> Path | None:
    """The checkpoint to go on from, or None.

    That is the one ``last_checkpoint`` names, in this folder where it has a
    file of that name, as a copy of a folder does. If the file was torn by a
    crash, it is the latest whole one in the folder.
    """
    pointer = work_dir / 'last_checkpoint'
    if pointer.is_file():
        last = Path(pointer.read_text().strip())
        for path in (work_dir / last.name, last):
            if path.is_file() and is_whole(path):
                return path
    steps = {
        int(match[1]): path
        for path in work_dir.glob('*.pth')
        if (match := _NAME.fullmatch(path.stem)) and is_whole(path)
    }
    return steps[max(steps)] if steps else None


def step_of(checkpoint: Path) -> int | None:
    """Epoch or iteration that a checkpoint is named after."""
    match = _NAME.fullmatch(checkpoint.stem)
    return int(match[1]) if match else None
