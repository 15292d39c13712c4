"""What has to be right before, while and after a set is prepared."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from mmisl.datasets.prepared import describe_counts
from preparation.image_sets import ImageSet
from preparation.members import is_archive
from preparation.sources import Source


def check_record(
    record: Mapping, name: str, folder: Path, *, subset: bool
) -> None:
    """See that a finished folder holds what is asked for.

    Raises:
        ValueError: If it holds another set, or part of it only.
    """
    if record['name'] != name:
        raise ValueError(
            f'{folder} holds {record["name"]}; give another --to for {name}'
        )
    if record['subset'] and not subset:
        line = describe_counts(record['counts'], record['official'])
        raise ValueError(
            f'{folder} holds a subset ({line}); move it away to prepare the '
            'whole set, or give --subset to stay with it'
        )


def refuse_existing(folder: Path) -> None:
    """Leave alone what this tool did not make.

    Raises:
        ValueError: If the folder is there and not empty.
    """
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if folder.exists() or folder.is_symlink():
        raise ValueError(
            f'{folder} exists and was not made by this tool; to check it '
            f'as it is, give --from {folder} --to {folder}, else move it '
            'away or give another --to'
        )


def refuse_archives(sources: Sequence[Source]) -> None:
    """Links can only be made to files.

    Raises:
        ValueError: If a source is an archive.
    """
    for source in sources:
        if source.path.is_file() and is_archive(source.path):
            raise ValueError(
                f'--link needs a folder of unpacked files, and {source.path} '
                'is an archive; leave --link out'
            )


def check_room(
    image_set: ImageSet,
    sources: Sequence[Source],
    folder: Path,
    *,
    subset: bool,
) -> None:
    """See that the set will fit, before anything is written.

    Raises:
        OSError: If it will not.
    """
    needed = sum(source.num_bytes() for source in sources)
    if not subset:
        needed = max(needed, image_set.num_bytes)
    for path, _, names in os.walk(folder):
        needed -= sum(os.path.getsize(Path(path, name)) for name in names)
    existing = next(p for p in folder.absolute().parents if p.exists())
    free = shutil.disk_usage(existing).free
    if needed > free:
        raise OSError(
            f'{image_set.title} needs {needed / 1e9:,.2f} GB more and '
            f'{existing} has {free / 1e9:,.2f} GB; free some, or give another '
            '--to',
        )


def check_counts(
    image_set: ImageSet, folder: Path, *, subset: bool
) -> dict[str, int]:
    """Count the images of a set.

    Returns:
        dict[str, int]: Images by part.

    Raises:
        ValueError: If the counts are not the official ones.
    """
    counts = image_set.count(folder)
    official = dict(image_set.official)
    fits = all(counts[part] <= number for part, number in official.items())
    if counts == official or (subset and fits and any(counts.values())):
        return counts
    line = describe_counts(counts, official)
    cure = (
        '--subset takes fewer images, not more or none'
        if subset
        else 'with --subset it is taken as it is'
    )
    raise ValueError(
        f'{folder} does not hold the official {image_set.title}: {line}; '
        f'{cure}'
    )


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep a second run out of a folder; the lock ends with the process.

    Raises:
        RuntimeError: If another run is at work in it.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise RuntimeError(
            f'another run is at work in {folder}; wait for it to end'
        ) from None
    except OSError:  # a file system without locks
        pass
    try:
        yield
    finally:
        os.close(descriptor)


@contextmanager
def page_named(image_set: ImageSet) -> Iterator[None]:
    """Say with every error where the set is to be had."""
    try:
        yield
    except ValueError as error:
        if image_set.page in str(error):
            raise
        raise ValueError(
            f'{error}; the official files: {image_set.page}'
        ) from error


@contextmanager
def full_disk_named(folder: Path) -> Iterator[None]:
    """Say what to do when the disk is full."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise OSError(
            error.errno,
            f'no room left for {folder}; free some and give the command '
            'again, it goes on where it stopped',
        ) from error
