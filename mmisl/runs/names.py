"""What runs are called where several stand side by side."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path


def short_names(work_dirs: Sequence[str | os.PathLike[str]]) -> list[str]:
    """The shortest ends of paths that differ.

    Args:
        work_dirs (Sequence[str | PathLike]): Of the runs, at least one.

    Returns:
        list[str]: One for each, such as ``isl`` and ``la``, or ``a/isl`` and
        ``b/isl``.

    Raises:
        ValueError: If a path is given twice.
    """
    parts = [Path(path).resolve().parts for path in work_dirs]
    if twice := [p for p, n in Counter(parts).items() if n > 1]:
        raise ValueError(
            f'{Path(*twice[0])} is given twice; name different runs'
        )
    for length in range(1, max(map(len, parts)) + 1):
        names = ['/'.join(part[-length:]) for part in parts]
        if len(set(names)) == len(names):
            break
    return names
