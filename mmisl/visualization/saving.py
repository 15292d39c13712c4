"""Figures as files that are whole or not there."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from matplotlib.figure import Figure

_DPI = 200


def save_figure(
    figure: Figure, paths: Iterable[str | os.PathLike[str]]
) -> list[Path]:
    """Write a figure in the formats that the files' endings name.

    The same figure gives the same bytes as a PNG or a PDF; other formats may
    hold the time or random names.

    Args:
        figure (Figure): To write.
        paths (Iterable[str | PathLike]): Such as a ``.png`` and a ``.pdf``;
            folders are made.

    Returns:
        list[Path]: The files.

    Raises:
        ValueError: If matplotlib does not know a format.
    """
    written = []
    for path in map(Path, paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f'{path.name}.partial')
        metadata = {'CreationDate': None} if path.suffix == '.pdf' else None
        figure.savefig(
            partial,
            format=path.suffix.lstrip('.'),
            dpi=_DPI,
            metadata=metadata,
        )
        os.replace(partial, path)
        written.append(path)
    return written
