"""From the folders of runs to a page."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmisl.runs import short_names

from .collected_run import CollectedRun, collect_run
from .page import write_page
from .payload import Settings, build_payload


def write_report(
    work_dirs: Sequence[Path],
    out: Path,
    *,
    settings: Settings,
    title: str | None = None,
    max_neighbors: int = 10,
    detection: Sequence[Path] = (),
    config: Config | None = None,
    overrides: dict[str, Any] | None = None,
) -> list[CollectedRun]:
    """Write one page about some runs.

    Args:
        work_dirs (Sequence[Path]): Of the runs, at least one.
        out (Path): The page; what is there is replaced when it is whole.
        settings (Settings): What to show.
        title (str, optional): Of the page; by default it names the runs.
        max_neighbors (int): Most similar neighbours of an image.
        detection (Sequence[Path]): Folders of tables of detection.
        config (Config, optional): In place of those that the runs have left.
        overrides (dict, optional): Settings that replace those of the
            configs.

    Returns:
        list[CollectedRun]: The runs, with what is missing of them as
        ``warnings``.

    Raises:
        FileNotFoundError, ValueError: If a folder is not of a run, or a table
            of detection is missing.
        PermissionError: If the page cannot be written there.
    """
    runs = [
        collect_run(
            work_dir,
            max_neighbors=max_neighbors,
            config=config,
            overrides=overrides,
        )
        for work_dir in work_dirs
    ]
    _check_writable(out)
    names = ', '.join(short_names(work_dirs))
    payload, blobs = build_payload(
        runs,
        settings,
        title=title or f'What was mined: {names}',
        detection=detection,
    )
    write_page(payload, blobs, out)
    return runs


def _check_writable(out: Path) -> None:
    """Now, and not after the minutes that a map may take."""
    out.parent.mkdir(parents=True, exist_ok=True)
    if not os.access(out.parent, os.W_OK):
        raise PermissionError(
            f'{out.parent} cannot be written to, so the page cannot go '
            'there; name another with --out'
        )
