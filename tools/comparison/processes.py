"""A process that is watched: how it ends, and the memory that it takes."""

from __future__ import annotations

import math
import re
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# Exit status of what was stopped, or not begun, because the time was over:
# that of sysexits.h for what will go well another time.
STOPPED = 75
_SECONDS_BETWEEN_LOOKS = 0.5
# A process that has not ended so long after it was asked to is killed.
_SECONDS_TO_END = 10.0


class Stretch:
    """The time that a command may take before it is given again.

    Args:
        minutes (float, optional): From now; as long as it takes by default.
    """

    def __init__(self, minutes: float | None = None) -> None:
        seconds = math.inf if minutes is None else 60 * minutes
        self._end = time.monotonic() + seconds

    @property
    def is_over(self) -> bool:
        """Whether nothing more may begin."""
        return time.monotonic() >= self._end

    def cut_short(self) -> None:
        """Let it be over now."""
        self._end = -math.inf


def watch(
    command: Sequence[str], stretch: Stretch, **kwargs: Any
) -> tuple[int, float | None]:
    """Run a command to its end, or to that of the stretch.

    Args:
        command (Sequence[str]): And its arguments.
        stretch (Stretch): When it is over the process is asked to end, and
            killed after 10 s.
        **kwargs: Of :class:`subprocess.Popen`.

    Returns:
        tuple[int, float | None]: Exit status, :data:`STOPPED` if it was
        stopped; the most memory that the process held at a time, in GiB,
        None where that is not known, as on other systems than Linux.
    """
    peak = None
    with subprocess.Popen(command, **kwargs) as process:
        while True:
            peak = peak_memory_gib(process.pid) or peak
            try:
                return process.wait(_SECONDS_BETWEEN_LOOKS), peak
            except subprocess.TimeoutExpired:
                if stretch.is_over:
                    return _stop(process), peak


def peak_memory_gib(pid: int) -> float | None:
    """The most memory that a process has held at a time, without children.

    The kernel's own count for a child that has ended, ``ru_maxrss``, begins
    with the memory of the process that it was forked from.
    """
    try:
        text = Path(f'/proc/{pid}/status').read_text()
    except OSError:
        return None
    match = re.search(r'^VmHWM:\s+(\d+) kB$', text, re.MULTILINE)
    return None if match is None else int(match[1]) / 2**20


def _stop(process: subprocess.Popen) -> int:
    process.terminate()
    try:
        process.wait(_SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    # It may have come to its end by itself meanwhile.
    return process.returncode and STOPPED
