"""What ``tools/prepare_data.py`` notes down in the folder of an image set."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmisl.datasets.loading_errors import config_folders

RECORD = 'prepared.json'


def read_record(folder: str | Path) -> dict[str, Any] | None:
    """What is known of how a folder was prepared.

    Args:
        folder (str | Path): Folder of an image set.

    Returns:
        dict[str, Any] | None: ``name`` of the set, ``counts`` found and
        ``official`` counts by part, ``subset``, whether they differ,
        ``notes`` and ``sources``. Before it is ``finished`` only the name
        and the sources. None if the folder was not prepared by the tool.

    Raises:
        ValueError: If the record cannot be read.
    """
    path = Path(folder, RECORD)
    if not path.is_file():
        return None
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(
            f'{path} is damaged ({error}); delete that file and give the '
            'command of tools/prepare_data.py again'
        ) from error


def describe_subset(folder: str | Path) -> str | None:
    """What a report has to say of an image set that is not whole.

    Args:
        folder (str | Path): Folder of an image set.

    Returns:
        str | None: One line with the counts, or None for a set that is whole
        or was not prepared by the tool.

    Raises:
        ValueError: If the record cannot be read.
    """
    record = read_record(folder)
    if record is None:
        return None
    if not record['finished']:
        return f'{record["name"]}, whose preparation was interrupted'
    if not record['subset']:
        return None
    line = describe_counts(record['counts'], record['official'])
    return '; '.join(
        [f'a subset of {record["name"]}: {line}'] + record['notes']
    )


def describe_config_subset(*datasets: Mapping[str, Any]) -> str | None:
    """As :func:`describe_subset`, of all folders that configs name.

    Args:
        datasets (Mapping[str, Any]): Configs of data sets, or of wrappers
            around them.

    Returns:
        str | None: None where every set is whole or was not prepared by the
        tool.

    Raises:
        ValueError: If a record cannot be read.
    """
    folders = [
        folder for dataset in datasets for folder in config_folders(dataset)
    ]
    lines = map(describe_subset, dict.fromkeys(folders))
    return '; '.join(line for line in lines if line is not None) or None


def describe_counts(counts: dict[str, int], official: dict[str, int]) -> str:
    """Counts by part, and the official ones where they differ."""
    return ', '.join(
        f'{part} {counts[part]:,}'
        + ('' if counts[part] == number else f' of {number:,}')
        for part, number in official.items()
    )
