"""What selective search has found so far, on the disk."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Boxes = list[list[int]]


class SearchJournal:
    """Boxes of finished images, one line each; a context that holds the file.

    A line is written at once and whole, or it was cut off when the tool was
    killed and is left out. So what is read back is what had been found.

    Args:
        path (Path): File to begin or to go on with.
        settings (Mapping[str, Any]): What the boxes depend on besides the
            image; the first line.

    Raises:
        ValueError: If the file was begun with other settings.
        RuntimeError: If another process is at work on it.

    Attributes:
        boxes: Boxes of each finished image, four integers each.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        self.path = path
        self.boxes: dict[str, Boxes] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = open(path, 'a+b')
        try:
            self._lock()
            self._read(dict(settings))
        except BaseException:
            self._file.close()
            raise

    def _lock(self) -> None:
        try:
            # The system takes it back when the process ends, however it does.
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RuntimeError(
                f'another process is at work on {self.path}; wait for it or '
                'name another OUT'
            ) from None

    def _read(self, settings: dict[str, Any]) -> None:
        """Take over the whole lines and cut off what follows them."""
        self._file.seek(0)
        end = 0
        for number, line in enumerate(self._file):
            record = _parse(line)
            if record is None:
                break
            if number == 0:
                self._check(record, settings)
            else:
                self.boxes[record['image']] = record['boxes']
            end += len(line)
        self._file.truncate(end)
        if end == 0:
            self._write(settings)

    def _check(self, begun: dict[str, Any], settings: dict[str, Any]) -> None:
        if begun != settings:
            raise ValueError(
                f'{self.path} was begun with {_describe(begun)}, and this is '
                f'{_describe(settings)}; go on as it was begun, or delete '
                'the file to start anew'
            )

    def add(self, key: str, boxes: Boxes) -> None:
        """Note the boxes of a finished image."""
        self._write({'image': key, 'boxes': boxes})
        self.boxes[key] = boxes

    def _write(self, record: dict[str, Any]) -> None:
        self._file.write(json.dumps(record).encode() + b'\n')
        self._file.flush()

    def __enter__(self) -> SearchJournal:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _parse(line: bytes) -> dict[str, Any] | None:
    if not line.endswith(b'\n'):
        return None
    try:
        return json.loads(line)
    except ValueError:  # a crash of the machine leaves bytes of any kind
        return None


def _describe(settings: Mapping[str, Any]) -> str:
    return ', '.join(f'{name} {value}' for name, value in settings.items())
