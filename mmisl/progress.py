"""Progress bars of every long job: one place, one console.

Bars go to standard error, on the main process of a terminal only. Anywhere
else (a pipe, a file, another rank) nothing is written at all, so a log holds
lines and no control characters. Bars that are open at the same time stand
below each other; what is printed or logged meanwhile scrolls by above them.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import weakref
from collections.abc import Iterable, Iterator, Sized
from pathlib import Path
from typing import IO, BinaryIO, TypeVar

from mmengine.dist import is_main_process
from mmengine.logging import MMLogger
from rich.console import Console
from rich.file_proxy import FileProxy
from rich.filesize import decimal
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

T = TypeVar('T')

# Redrawing takes time from the job, so it is done seldom.
_DRAWS_PER_SECOND = 4
# The time left is reckoned from the speed of so many seconds: they span the
# validations and minings between the epochs of a training.
_SPEED_SECONDS = 600.0
# rich keeps 1,000 points in time for the speed; one for every step of a fast
# loop would span a moment only.
_SECONDS_PER_POINT = 0.25


def is_shown() -> bool:
    """Whether bars are drawn: on the main process of a terminal."""
    return (
        is_main_process()
        and sys.stderr.isatty()
        and os.environ.get('TERM') not in ('dumb', 'unknown')
    )


class Bar:
    """How far one job is; silent where no bar is shown.

    A context manager: the bar is gone after it. It goes with its object as
    well, so an error that nobody expected leaves no bar behind.

    Args:
        description (str): Of the job, a few words.
        total (float, optional): Steps of the job; None if nobody knows.
        completed (float): Steps that an earlier part has done. Defaults to 0.
        in_bytes (bool): Whether steps are bytes. Defaults to False.
    """

    def __init__(
        self,
        description: str,
        total: float | None,
        *,
        completed: float = 0,
        in_bytes: bool = False,
    ) -> None:
        self._display: _Display | None = None
        if not is_shown():
            return
        self._total = total
        self._completed = completed
        self._last_point = 0.0
        self._display = _get_display()
        self._task = self._display.add(
            description, total, completed=completed, in_bytes=in_bytes
        )
        self._close = weakref.finalize(self, self._display.remove, self._task)

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()

    def advance(self, steps: float = 1) -> None:
        """Count steps that are done."""
        if self._display is not None:
            self.update(completed=self._completed + steps)

    def update(
        self,
        *,
        completed: float | None = None,
        description: str | None = None,
        note: str | None = None,
    ) -> None:
        """Tell what has changed.

        Args:
            completed (float, optional): Steps done, all in all.
            description (str, optional): Of the job.
            note (str, optional): Shown behind the time left.
        """
        if self._display is None:
            return
        changes: dict[str, object] = {}
        if completed is not None and self._is_due(completed):
            changes['completed'] = completed
        if description is not None:
            changes['description'] = description
        if note is not None:
            changes['note'] = note
        if changes:
            self._display.update(self._task, changes)

    def close(self) -> None:
        """Take the bar off the terminal; a second time does nothing."""
        if self._display is not None:
            self._close()
            self._display = None

    def wrap(self, file: BinaryIO) -> BinaryIO:
        """The file; reading from it moves the bar."""
        if self._display is None:
            return file
        return self._display.progress.wrap_file(file, task_id=self._task)

    def _is_due(self, completed: float) -> bool:
        """Whether a point in time is to be kept, here or of the last step."""
        assert self._display is not None
        self._completed = completed
        now = self._display.progress.get_time()
        is_last = self._total is not None and completed >= self._total
        if not is_last and now - self._last_point < _SECONDS_PER_POINT:
            return False
        self._last_point = now
        return True


def track(
    items: Iterable[T], description: str, *, total: int | None = None
) -> Iterator[T]:
    """Give the items of a loop, with a bar of how far it is.

    Args:
        items (Iterable): To loop over.
        description (str): Of the loop, a few words.
        total (int, optional): Number of items, where they do not know it
            themselves.

    Yields:
        The items.
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    with Bar(description, total) as bar:
        for item in items:
            yield item
            bar.advance()


@contextlib.contextmanager
def open_file(path: str | os.PathLike, description: str) -> Iterator[BinaryIO]:
    """Open a file for reading bytes, with a bar of how much is read.

    Args:
        path (str | PathLike): Of the file.
        description (str): Of what is done with it.

    Yields:
        BinaryIO: The file, closed in the end.
    """
    size = Path(path).stat().st_size
    with Bar(description, size, in_bytes=True) as bar, open(path, 'rb') as raw:
        yield bar.wrap(raw)


class _AmountColumn(ProgressColumn):
    """Steps or bytes done, of how many."""

    max_refresh = 0.25

    def render(self, task: Task) -> Text:
        """``12/340``, or ``1.2 GB/3.4 GB``, or ``12`` of who knows."""
        as_text = decimal if task.fields['in_bytes'] else '{:,}'.format
        text = as_text(int(task.completed))
        if task.total is not None:
            text += f'/{as_text(int(task.total))}'
        return Text(text, style='progress.download')


class _Display:
    """The bars that are drawn now, from the first that opens to the last.

    Log lines of mmengine go to the stream that standard output was when the
    logger was made. While bars are drawn they are led past them, as rich does
    with what is printed.
    """

    def __init__(self) -> None:
        # Only a terminal is led through the console: it is standard error's.
        self.progress = Progress(
            TextColumn('{task.description}', markup=False),
            BarColumn(),
            _AmountColumn(),
            TimeRemainingColumn(),
            TextColumn('left'),
            TextColumn('{task.fields[note]}', markup=False),
            # A path in a line that is printed stays whole.
            console=Console(stderr=True, soft_wrap=True),
            transient=True,
            redirect_stdout=sys.stdout.isatty(),
            refresh_per_second=_DRAWS_PER_SECOND,
            speed_estimate_period=_SPEED_SECONDS,
        )
        self.progress.start()
        self.lead_loggers()

    def add(
        self,
        description: str,
        total: float | None,
        *,
        completed: float,
        in_bytes: bool,
    ) -> TaskID:
        """Open a bar."""
        self.lead_loggers()  # one may have been made since
        return self.progress.add_task(
            description,
            total=total,
            completed=int(completed),
            in_bytes=in_bytes,
            note='',
        )

    def update(self, task: TaskID, changes: dict) -> None:
        """Change a bar that is still open."""
        if self is _display:
            self.progress.update(task, **changes)

    def remove(self, task: TaskID) -> None:
        """Close a bar; with the last one the terminal is as it was."""
        global _display
        with _lock:
            if self is not _display:  # of the process that this one forked off
                return
            self.progress.remove_task(task)
            if not self.progress.task_ids:
                _display = None
                self.progress.stop()
                release_loggers()

    def lead_loggers(self) -> None:
        """Lead lines of loggers that write to the terminal past the bars."""
        led = {
            stream.rich_proxied_file: stream
            for stream in (sys.stdout, sys.stderr)
            if isinstance(stream, FileProxy)
        }
        for handler in _stream_handlers():
            if handler.stream in led:
                handler.setStream(led[handler.stream])


def release_loggers() -> None:
    """Give loggers the stream back that they had."""
    for handler in _stream_handlers():
        handler.setStream(_unproxied(handler.stream))


def _stream_handlers() -> Iterator[logging.StreamHandler]:
    for logger in list(MMLogger._instance_dict.values()):
        for handler in logger.handlers:
            if type(handler) is logging.StreamHandler:
                yield handler


def _unproxied(stream: IO[str]) -> IO[str]:
    """What is behind a stream that leads past the bars."""
    return getattr(stream, 'rich_proxied_file', stream)


_lock = threading.RLock()
_display: _Display | None = None


def _get_display() -> _Display:
    """The one display of this process."""
    global _display
    with _lock:
        if _display is None:
            _display = _Display()
        return _display


def _forget_display() -> None:
    """In a fork, such as a worker of a loader, the bars are not ours.

    Their locks may be held for good: by threads that the fork does not have.
    """
    global _display, _lock
    _lock = threading.RLock()
    if _display is None:
        return
    _display = None
    sys.stdout = _unproxied(sys.stdout)
    sys.stderr = _unproxied(sys.stderr)
    for handler in _stream_handlers():
        handler.stream = _unproxied(handler.stream)


os.register_at_fork(after_in_child=_forget_display)
