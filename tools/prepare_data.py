"""Put an image set where the configs look for it, and see that it is whole.

Usage:
    python tools/prepare_data.py NAME --from ARCHIVE_OR_FOLDER [--to FOLDER]

NAME is one of: {names}.
docs/data.md says what to download for each. --from is an official archive
(others that the set needs are looked for beside it), a folder that holds
them, or a folder of unpacked files, which may be --to itself: then it is
only checked. Checksums are compared where they are published and images are
counted at the end; the folder gets its name only when all is right. A run
that was interrupted goes on where it stopped when the command is given again.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from common import add_traceback_argument, run_tool
from preparation.checks import (
    alone_in,
    check_counts,
    check_record,
    check_room,
    full_disk_named,
    page_named,
    refuse_archives,
    refuse_existing,
)
from preparation.image_sets import IMAGE_SETS, ImageSet
from preparation.journal import Journal
from preparation.sources import Source, check_md5, find_sources
from preparation.unpacking import unpack

from mmisl.datasets.prepared import describe_counts, read_record
from mmisl.progress import Bar, open_file


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Command line of this tool."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or '').format(names=', '.join(IMAGE_SETS)),
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument(
        'name', choices=tuple(IMAGE_SETS), metavar='NAME', help='image set'
    )
    parser.add_argument(
        '--from',
        dest='source',
        type=Path,
        required=True,
        metavar='ARCHIVE_OR_FOLDER',
        help='official archive, or folder of archives or unpacked files',
    )
    parser.add_argument(
        '--to',
        type=Path,
        metavar='FOLDER',
        help='folder to make (default: where the configs look for it)',
    )
    parser.add_argument(
        '--link',
        action='store_true',
        help='link to unpacked files instead of copying them',
    )
    parser.add_argument(
        '--subset',
        action='store_true',
        help='take fewer images than the official set has; reports say so',
    )
    parser.add_argument(
        '--no-checksum',
        action='store_true',
        help='take an archive whose checksum is not the published one',
    )
    add_traceback_argument(parser)
    return parser.parse_args(argv)


def prepare(args: argparse.Namespace) -> None:
    """Prepare a set as the command line says.

    Raises:
        FileNotFoundError: If there is nothing at ``--from``.
        OSError: If there is no room.
        ValueError: If something else is in the folder already, or if what
            is found is not the official set.
    """
    image_set = IMAGE_SETS[args.name]
    target = own_folder(args.to or Path(image_set.folder))
    record = read_record(target)
    if record is not None and record['finished']:
        check_record(record, args.name, target, subset=args.subset)
        report(image_set, target, 'is already')
        return
    if target.is_dir() and args.source.resolve() == target.resolve():
        check_in_place(args.name, target, subset=args.subset)
        return
    refuse_existing(target)
    sources = find_sources(image_set, args.source, subset=args.subset)
    if args.link:
        refuse_archives(sources)
    unfinished = target.with_name(f'{target.name}.partial')
    with full_disk_named(unfinished), page_named(image_set):
        if not args.link:
            check_room(image_set, sources, unfinished, subset=args.subset)
        unfinished.mkdir(parents=True, exist_ok=True)
        with alone_in(unfinished):
            journal = Journal(unfinished, args.name, sources, args.link)
            fill(journal, image_set, sources, args)
            notes = image_set.finish(unfinished)
            counts = check_counts(image_set, unfinished, subset=args.subset)
            journal.finish(counts, image_set.official, notes)
    # An empty folder of that name is replaced.
    os.replace(unfinished, target)
    report(image_set, target, 'is ready')


def own_folder(folder: Path) -> Path:
    """The folder itself, where a link or ``.`` stands for it.

    It is filled beside its name, which has to be on the same disk, and a
    folder cannot take the place of a link.
    """
    stands_for_another = folder.is_symlink() or folder.name in ('', '..')
    return folder.resolve() if stands_for_another else folder


def report(image_set: ImageSet, folder: Path, state: str) -> None:
    """Say in one line what lies where."""
    record = read_record(folder)
    assert record is not None
    line = describe_counts(record['counts'], record['official'])
    print(
        '; '.join(
            [f'{image_set.title} {state} in {folder}: {line}']
            + record['notes']
        )
    )


def check_in_place(name: str, folder: Path, *, subset: bool) -> None:
    """Count a folder that somebody unpacked, and note that it is right.

    Raises:
        ValueError: If it is not the official set.
    """
    image_set = IMAGE_SETS[name]
    with page_named(image_set):
        counts = check_counts(image_set, folder, subset=subset)
    journal = Journal(folder, name, [], link=False)
    journal.finish(counts, image_set.official, notes=[])
    report(image_set, folder, 'is whole' if not subset else 'was counted')


def fill(
    journal: Journal,
    image_set: ImageSet,
    sources: Sequence[Source],
    args: argparse.Namespace,
) -> None:
    """Check and unpack every source that is not done.

    What was unpacked unchecked, for a flag, is checked once that is missing.

    Raises:
        ValueError: If a source is damaged, not the official one, or has
            nothing of the set.
    """
    for index, source in enumerate(sources):
        trusts = args.no_checksum or args.subset
        if not trusts and not journal.is_verified(index):
            journal.verify(index, check_source(source, image_set))
        if not journal.is_done(index):
            unpack_source(source, image_set, journal.folder, args.link)
            journal.mark_done(index)


def check_source(source: Source, image_set: ImageSet) -> str | None:
    """MD5 of a source, None if none is published.

    Raises:
        ValueError: If another is published.
    """
    opener = partial(open_file, description=f'checksum {source.path.name}')
    return check_md5(image_set, source.path, opener)


def unpack_source(
    source: Source, image_set: ImageSet, folder: Path, link: bool
) -> None:
    """Unpack one source.

    Raises:
        ValueError: If it is damaged, or has nothing of the set.
    """
    name = source.path.name
    opener = partial(open_file, description=f'unpack {name}')
    with (
        source.members(opener) as members,
        Bar(f'files of {name}', total=None) as bar,
    ):
        wanted = unpack(
            members, image_set.rules, folder, link=link, advance=bar.advance
        )
    if not wanted:
        raise ValueError(
            f'{source.path} holds nothing of {image_set.title}, which is '
            f'{image_set.describe_archives()} or what they hold'
        )


if __name__ == '__main__':
    run_tool(prepare, parse_args())
