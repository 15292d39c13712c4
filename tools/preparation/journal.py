"""What has been done of a preparation, on the disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from files import write_json

from mmisl.datasets.prepared import RECORD, read_record
from preparation.sources import Source


class Journal:
    """The record of a set that is being prepared.

    It lies in the folder itself, goes with it when that gets its name, and
    is what reports read later.

    Args:
        folder (Path): Folder that is filled; exists.
        name (str): Name of the set.
        sources (Sequence[Source]): What it is made of.
        link (bool): Whether files are links.

    Raises:
        ValueError: If the folder was begun with other sources.
    """

    def __init__(
        self, folder: Path, name: str, sources: Sequence[Source], link: bool
    ) -> None:
        self.folder = folder
        self._record: dict[str, Any] = dict(
            name=name,
            link=link,
            finished=False,
            sources=[
                dict(source.identity(), md5=None, verified=False, done=False)
                for source in sources
            ],
        )
        before = read_record(folder)
        if before is None:
            self._write()
        elif _origin(before) == _origin(self._record):
            self._record = before
        else:
            paths = ', '.join(source['path'] for source in before['sources'])
            raise ValueError(
                f'{folder} was begun with other files ({paths}, link '
                f'{before["link"]}), or they have changed since; delete it '
                'to start anew'
            )

    def is_verified(self, index: int) -> bool:
        """Whether the checksum of a source has been seen to."""
        return self._record['sources'][index]['verified']

    def verify(self, index: int, md5: str | None) -> None:
        """Note that the checksum of a source is right."""
        self._record['sources'][index].update(md5=md5, verified=True)
        self._write()

    def is_done(self, index: int) -> bool:
        """Whether all files of a source are there."""
        return self._record['sources'][index]['done']

    def mark_done(self, index: int) -> None:
        """Note that all files of a source are there."""
        self._record['sources'][index].update(done=True)
        self._write()

    def finish(
        self,
        counts: Mapping[str, int],
        official: Mapping[str, int],
        notes: Sequence[str],
    ) -> None:
        """Note what was found in the end."""
        self._record.update(
            finished=True,
            subset=dict(counts) != dict(official),
            counts=dict(counts),
            official=dict(official),
            notes=list(notes),
        )
        self._write()

    def _write(self) -> None:
        write_json(self.folder / RECORD, self._record)


def _origin(record: Mapping[str, Any]) -> list:
    """What a preparation has been begun with."""
    keys = ('path', 'size', 'mtime_ns')
    sources = [[source[key] for key in keys] for source in record['sources']]
    return [record['name'], record['link'], sources]
