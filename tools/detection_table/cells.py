"""The cells of a table of detection: a detector and what it starts from."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from common import ConfigError, check_checkpoint

from .published import published

# Stands for a checkpoint where a detector begins with random weights.
RANDOM = 'none'
_NAME = re.compile(r'[\w+-][\w.+-]*')


@dataclass(frozen=True)
class Cell:
    """One detector, finetuned from one checkpoint.

    Attributes:
        name: Of the cell and of its folder.
        config: Path of the detector's config.
        checkpoint: Path of a pretraining's checkpoint, or ``'none'``.
        published: ``ROW/COLUMN`` of the supplement's table; may be empty.

    Raises:
        ConfigError: If one of them is none of these, or a file is missing.
    """

    name: str
    config: str
    checkpoint: str
    published: str = ''

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, str):
                raise ConfigError(
                    f'{field.name} of cell {self.name!r} must be a text, got '
                    f'{value!r}'
                )
        if not _NAME.fullmatch(self.name):
            raise ConfigError(
                f'the name of a cell names a folder: got {self.name!r}, '
                'allowed are letters, digits and _ . + -, no dot first'
            )
        try:
            if not Path(self.config).is_file():
                raise ValueError(f'config {self.config} does not exist')
            if self.checkpoint != RANDOM:
                check_checkpoint(self.checkpoint)
            if self.published:
                published(self.published)
        except (OSError, ValueError) as error:
            raise ConfigError(f'cell {self.name}: {error}') from error

    @classmethod
    def parse(cls, text: str) -> Cell:
        """Read ``NAME=CONFIG:CHECKPOINT[:ROW/COLUMN]``."""
        name, equals, rest = text.partition('=')
        words = rest.split(':')
        if not equals or len(words) not in (2, 3):
            raise ConfigError(
                f'--cell: got {text!r}, allowed is '
                'NAME=CONFIG:CHECKPOINT[:ROW/COLUMN]'
            )
        return cls(name, *words)


def pretrained_options(checkpoint: str) -> dict[str, Any]:
    """Overrides that let a detector start from a checkpoint.

    Args:
        checkpoint (str): Its path, or ``'none'`` for random weights.
    """
    if checkpoint == RANDOM:
        return {'model.init_cfg': None}
    return {'model.init_cfg.checkpoint': checkpoint}


def read_cells(path: Path | None, texts: Sequence[str]) -> list[Cell]:
    """All cells that a command line asks for.

    Args:
        path (Path, optional): JSON file with a list of objects, whose keys
            are the attributes of :class:`Cell`.
        texts (Sequence[str]): As :meth:`Cell.parse` reads them.

    Raises:
        ConfigError: If there are none, if two have one name, or if one is not
            as it should be.
    """
    cells = [] if path is None else _read_json(path)
    cells += [Cell.parse(text) for text in texts]
    if not cells:
        raise ConfigError(
            'no cells; give CELLS.json, or --cell NAME=CONFIG:CHECKPOINT'
        )
    names = [cell.name for cell in cells]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ConfigError(
            f'cells must have different names, got {", ".join(sorted(twice))} '
            'more than once'
        )
    return cells


def _read_json(path: Path) -> list[Cell]:
    try:
        entries = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ConfigError(f'{path} cannot be read: {error}') from error
    allowed = {field.name for field in fields(Cell)}
    needed = allowed - {'published'}
    if not isinstance(entries, list) or not all(
        isinstance(entry, dict) and needed <= entry.keys() <= allowed
        for entry in entries
    ):
        raise ConfigError(
            f'{path} must hold a list of objects with name, config and '
            'checkpoint, and published where the supplement has that cell'
        )
    return [Cell(**entry) for entry in entries]
