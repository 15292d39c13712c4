"""Finds the archives or the folder that a set is to be made of."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from preparation.image_sets import ImageSet
from preparation.members import (
    Member,
    is_archive,
    member_of_file,
    members_of_archive,
    members_of_folder,
    named_damage,
)
from preparation.placing import place

# Opens a file and shows how far it is read.
Opener = Callable[[Path], AbstractContextManager[IO[bytes]]]


@dataclass(frozen=True)
class Source:
    """A folder, an archive, or a file to copy.

    Attributes:
        path: Where it lies.
    """

    path: Path

    def identity(self) -> dict:
        """What tells it from another one, or from itself once changed."""
        stat = self.path.stat()
        # A folder's own size and time say little of what lies in it.
        known = (
            (None, None)
            if self.path.is_dir()
            else (stat.st_size, stat.st_mtime_ns)
        )
        return dict(
            path=str(self.path.resolve()), size=known[0], mtime_ns=known[1]
        )

    def num_bytes(self) -> int:
        """Bytes of what is in it, where that can be told; else its own."""
        if self.path.is_dir():
            return sum(member.size for member in members_of_folder(self.path))
        if self.path.suffix == '.zip':
            with named_damage(self.path), zipfile.ZipFile(self.path) as file:
                return sum(info.file_size for info in file.infolist())
        return self.path.stat().st_size

    @contextmanager
    def members(self, opener: Opener) -> Iterator[Iterator[Member]]:
        """Its files, in an order that never changes.

        Raises:
            ValueError: If it is a damaged archive, found while they are read.
        """
        if self.path.is_dir():
            yield members_of_folder(self.path)
        elif is_archive(self.path):
            with named_damage(self.path), opener(self.path) as file:
                yield members_of_archive(self.path, file)
        else:
            yield iter([member_of_file(self.path, (self.path.name,))])


def find_sources(
    image_set: ImageSet, path: Path, *, subset: bool
) -> list[Source]:
    """The official archives at a path, or what lies there instead.

    Args:
        image_set (ImageSet): The set to be made.
        path (Path): A file or folder. Of a set with several archives the
            others are looked for beside the one that is named.
        subset (bool): Whether archives may be missing.

    Returns:
        list[Source]: Archives, or one folder of unpacked files, or one file
        of another name.

    Raises:
        FileNotFoundError: If there is nothing at the path.
        ValueError: If some of the archives are there but not all.
    """
    if not path.exists():
        raise FileNotFoundError(
            f'--from {path} does not exist; download '
            f'{image_set.describe_archives()} from {image_set.page}'
        )
    official = {name for names in image_set.archives for name in names}
    if path.is_file() and path.name not in official:
        return [Source(path)]
    folder = path.parent if path.is_file() else path
    found, missing = [], []
    for names in image_set.archives:
        there = [name for name in names if (folder / name).is_file()]
        # The one that was named goes before another form of it.
        there.sort(key=lambda name: name != path.name)
        if there:
            found.append(Source(folder / there[0]))
        else:
            missing.append(' or '.join(names))
    if found and not missing:
        return found
    if path.is_dir() and _is_unpacked(image_set, path, official):
        return [Source(path)]
    if found and subset:
        return found
    if found:
        raise ValueError(
            f'{folder} does not hold {", ".join(missing)}, which '
            f'{image_set.title} needs as well; download from {image_set.page}'
        )
    raise ValueError(
        f'{path} holds nothing of {image_set.title}, which is '
        f'{image_set.describe_archives()} or what they hold; download from '
        f'{image_set.page}'
    )


def _is_unpacked(image_set: ImageSet, folder: Path, archives: set) -> bool:
    """Whether a folder has files of the set besides its archives."""
    return any(
        member.parts[-1] not in archives
        and place(member.parts, image_set.rules) is not None
        for member in members_of_folder(folder)
    )


def check_md5(image_set: ImageSet, path: Path, opener: Opener) -> str | None:
    """Compare an archive with the published checksum.

    Args:
        image_set (ImageSet): The set to be made.
        path (Path): The archive. Under another name than the official one
            it has to be any archive of the set.
        opener (Opener): Opens it.

    Returns:
        str | None: MD5 in hexadecimal, or None if none is published.

    Raises:
        ValueError: If it is another.
    """
    published = image_set.checksums
    if path.is_dir() or not published:
        return None
    official = {name for names in image_set.archives for name in names}
    if path.name in official - set(published):
        return None
    expected = (
        {published[path.name]}
        if path.name in published
        else set(published.values())
    )
    with opener(path) as file:
        digest = hashlib.md5(usedforsecurity=False)
        while block := file.read(1 << 20):
            digest.update(block)
    found = digest.hexdigest()
    if found not in expected:
        raise ValueError(
            f'{path} has MD5 {found}, published for {image_set.title} is '
            f'{" or ".join(sorted(expected))}: it is damaged or no official '
            f'archive; download it from {image_set.page}, or go on with '
            '--no-checksum, or with --subset if it is a part of the set'
        )
    return found
