"""Lists the files of folders, tars and zips alike, also of tars inside."""

from __future__ import annotations

import gzip
import lzma
import os
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

TARS = ('.tar', '.tar.gz', '.tgz', '.tar.xz', '.tar.bz2')
ARCHIVES = (*TARS, '.zip')
_DAMAGE = (
    EOFError,
    gzip.BadGzipFile,
    lzma.LZMAError,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True)
class Member:
    """A file in a source.

    Attributes:
        parts: Its path, by folders.
        size: Its bytes.
        open: Opens it for reading; to be used before the next member.
        path: Where it lies, if it is a file of its own.
    """

    parts: tuple[str, ...]
    size: int
    open: Callable[[], IO[bytes]]
    path: Path | None = None


def is_archive(path: Path) -> bool:
    """Whether a file's name is that of a tar or zip."""
    return path.name.lower().endswith(ARCHIVES)


def members_of_folder(folder: Path) -> Iterator[Member]:
    """Files below a folder, links followed; the folder's name comes first."""
    seen = set()
    top = Path(os.path.abspath(folder)).name  # a link's own name
    for root, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(root)
        if real in seen:  # a link that leads back
            folders.clear()
            continue
        seen.add(real)
        folders.sort()
        inner = Path(root).relative_to(folder).parts
        for name in sorted(files):
            parts = (top, *inner, name)
            yield member_of_file(Path(root, name), parts)


def member_of_file(path: Path, parts: tuple[str, ...]) -> Member:
    """A file on the disk."""
    return Member(
        parts, path.stat().st_size, lambda: open(path, 'rb'), path.resolve()
    )


def members_of_archive(path: Path, file: IO[bytes]) -> Iterator[Member]:
    """Files in a tar or zip, and in the tars that it holds.

    Links and devices are left out.

    Args:
        path (Path): Its name; tells the kind of archive.
        file (IO[bytes]): The archive, opened.

    Raises:
        ValueError: If a path in it leads out of the folder that it is
            unpacked to.
    """
    if path.name.lower().endswith('.zip'):
        yield from _members_of_zip(path, file)
    else:
        yield from _members_of_tar(path, file)


@contextmanager
def named_damage(path: Path) -> Iterator[None]:
    """Name the archive whose reading failed.

    Raises:
        ValueError: If what is inside raises what a damaged archive does.
    """
    try:
        yield
    except _DAMAGE as error:
        raise ValueError(
            f'{path} is cut short or damaged ({type(error).__name__}: {error})'
        ) from error


def _members_of_zip(path: Path, file: IO[bytes]) -> Iterator[Member]:
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            if info.is_dir():
                continue
            parts = _safe_parts(info.filename, path)
            member = Member(parts, info.file_size, partial(archive.open, info))
            yield from _with_inner(member, path)


def _members_of_tar(
    path: Path, file: IO[bytes], above: tuple[str, ...] = ()
) -> Iterator[Member]:
    with tarfile.open(fileobj=file) as archive:
        for info in archive:
            if not info.isfile():
                continue
            parts = above + _safe_parts(info.name, path)
            member = Member(
                parts,
                info.size,
                partial(_extract, archive, info),
            )
            yield from _with_inner(member, path)


def _with_inner(member: Member, path: Path) -> Iterator[Member]:
    """The member, or what is in it if it is a tar.

    ImageNet has a tar for every class, whose name then is a folder's.
    """
    name = member.parts[-1]
    ending = next((end for end in TARS if name.endswith(end)), None)
    if ending is None or '__MACOSX' in member.parts:
        yield member
        return
    above = (*member.parts[:-1], name.removesuffix(ending))
    with member.open() as file:
        yield from _members_of_tar(path, file, above)


def _safe_parts(name: str, path: Path) -> tuple[str, ...]:
    """Folders and name of a member, none of which leads elsewhere."""
    pure = PurePosixPath(name)
    if pure.is_absolute() or '..' in pure.parts or '\\' in name:
        raise ValueError(
            f"{path} holds '{name}', a path out of its folder: it is not the "
            'official archive, and nothing of it is kept'
        )
    return pure.parts


def _extract(archive: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    file = archive.extractfile(info)
    assert file is not None  # a regular file always opens
    return file
