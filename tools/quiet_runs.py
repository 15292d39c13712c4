"""Runners whose messages go to their log files and leave the terminal free."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from mmengine.config import Config
from mmengine.registry import RUNNERS
from mmengine.runner import Runner


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep what mmengine prints off the terminal; its log files have it."""
    with open(os.devnull, 'w') as nowhere:
        with contextlib.redirect_stdout(nowhere):
            yield


def build_runner(
    cfg: Config,
    work_dir: Path,
    *,
    load_from: Path | None = None,
    resume: bool = False,
    shows: Callable[[logging.LogRecord], bool] = lambda record: False,
) -> Runner:
    """A runner that logs to files.

    Args:
        cfg (Config): Changed in place.
        work_dir (Path): For its files.
        load_from (Path, optional): Checkpoint to begin with.
        resume (bool): Whether to go on from that. Defaults to False.
        shows (Callable): Which warnings go to the terminal, by their record.
            Defaults to none.
    """
    cfg.work_dir = str(work_dir)
    cfg.experiment_name = f'{work_dir.name}_{time.time_ns()}'
    cfg.load_from = None if load_from is None else str(load_from)
    cfg.resume = resume
    with quiet():
        runner = RUNNERS.build(cfg)
        for handler in runner.logger.handlers:
            if type(handler) is logging.StreamHandler:
                handler.setStream(sys.stderr)
                handler.setLevel(logging.WARNING)
                handler.addFilter(shows)
    return runner
