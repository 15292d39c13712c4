"""Writes the files of a source into the folder of a set."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from preparation.members import Member
from preparation.placing import Rule, place


def unpack(
    members: Iterable[Member],
    rules: Sequence[Rule],
    folder: Path,
    *,
    link: bool = False,
    advance: Callable[[], None] = lambda: None,
) -> int:
    """Write what the rules want and is not there yet.

    A file is written under another name first, so one that has its name is
    whole, and an interrupted run is continued by running it again.

    Args:
        members (Iterable[Member]): Files of a source.
        rules (Sequence[Rule]): Which to keep, and where.
        folder (Path): Folder of the set.
        link (bool): Whether to write links to the files. Defaults to False.
        advance (Callable[[], None]): Called after each file. Defaults to
            nothing.

    Returns:
        int: Number of files that the rules want, also those that were there.

    Raises:
        ValueError: If a file is shorter than the source says.
    """
    wanted = 0
    for member in members:
        target = place(member.parts, rules)
        if target is None:
            continue
        wanted += 1
        path = folder / target
        if not _is_there(path, member):
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(f'{path.name}.part')
            if link:
                _link(member, partial)
            else:
                _copy(member, partial)
            os.replace(partial, path)
        advance()
    return wanted


def _is_there(path: Path, member: Member) -> bool:
    try:
        return path.stat().st_size == member.size
    except OSError:
        return False


def _copy(member: Member, path: Path) -> None:
    with member.open() as source, open(path, 'wb') as file:
        shutil.copyfileobj(source, file, 1 << 20)
    size = path.stat().st_size
    if size != member.size:
        raise ValueError(
            f'{"/".join(member.parts)} has {size:,} of {member.size:,} bytes: '
            'what holds it is cut short'
        )


def _link(member: Member, path: Path) -> None:
    assert member.path is not None  # links are made of folders only
    path.unlink(missing_ok=True)  # of an interrupted run
    path.symlink_to(member.path)
