"""Where a file of an archive belongs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath


@dataclass(frozen=True)
class Rule:
    """Files to keep, and the folder that they go to.

    Attributes:
        pattern: The end of a path, with ``*`` and ``?`` inside of names. What
            stands before it, such as the top folder of an archive, is
            dropped.
        folder: Folder to put before the rest.
    """

    pattern: str
    folder: str = ''


def place(parts: Sequence[str], rules: Sequence[Rule]) -> PurePosixPath | None:
    """Path below the folder of the set, or None for what is not wanted.

    The longest end of the path that a rule knows counts.
    """
    for start in range(len(parts)):
        end = parts[start:]
        for rule in rules:
            if _matches(end, rule.pattern.split('/')):
                return PurePosixPath(rule.folder, *end)
    return None


def _matches(parts: Sequence[str], patterns: Sequence[str]) -> bool:
    return len(parts) == len(patterns) and all(
        fnmatchcase(part, pattern) for part, pattern in zip(parts, patterns)
    )
