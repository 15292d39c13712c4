"""Tables of detection that a comparison of checkpoints has written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

FILE = 'table.md'


def read_detection_table(folder: Path) -> dict[str, Any]:
    """Read what ``tools/run_detection_table.py`` has written.

    Args:
        folder (Path): Its ``--out``, or the ``table.md`` in it.

    Returns:
        dict: ``title``; ``columns`` and ``rows``, texts; and ``source``: what
        the numbers are, the command and the versions.

    Raises:
        FileNotFoundError: If there is no table.
        ValueError: If the file holds none.
    """
    path = folder if folder.suffix == '.md' else folder / FILE
    if not path.is_file():
        raise FileNotFoundError(
            f'there is no {path}; name the folder that '
            'tools/run_detection_table.py was given as --out'
        )
    lines = path.read_text(encoding='utf-8').splitlines()
    table = [line for line in lines if line.startswith('| ')]
    rest = [line for line in lines if not line.startswith('|')]
    rows = [_cells(line) for line in table]
    is_table = len(rows) > 1 and set(''.join(rows[1])) <= {'-', ':'}
    if not is_table or len(set(map(len, rows))) != 1:
        raise ValueError(
            f'{path} holds no table of tools/run_detection_table.py; give '
            'its command again, or leave the folder out'
        )
    source = [line for line in rest if line and line != '```']
    return dict(
        title=f'Detection: {path.resolve().parent.name}',
        columns=rows[0],
        rows=rows[2:],
        source='\n'.join([*source, f'({path})']),
    )


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip('|').split(' | ')]
