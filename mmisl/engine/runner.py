"""The runner of mmengine, easier on devices and on the terminal."""

from __future__ import annotations

import copy
import logging
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from mmengine.logging import MMLogger
from mmengine.runner import CheckpointLoader, Runner
from mmengine.runner.checkpoint import _load_checkpoint_to_model

from mmisl.registry import RUNNERS

from .unwrapping import unwrap_model

# A message of more lines would push what comes before off a small screen.
_MAX_LINES = 20


@RUNNERS.register_module()
class LeanRunner(Runner):
    """mmengine's runner, easier on devices and on the terminal.

    - A checkpoint never lies on a device as a whole. mmengine resumes from
      one that it has read onto every device; here it is mapped into the
      host's memory. A module reads what it copies, so a rank with a part of
      a memory bank takes its rows out of the file.
    - What fills a screen, as environment, config and list of hooks do, goes
      to the log file only, so that what follows is seen.

    Chosen by ``runner_type = 'mmisl.LeanRunner'`` in a config. Without the
    line a run is mmengine's, and ends the same.
    """

    def build_logger(
        self,
        log_level: int | str = 'INFO',
        log_file: str | None = None,
        **kwargs: Any,
    ) -> MMLogger:
        """As mmengine, but long messages do not reach the terminal."""
        logger = super().build_logger(log_level, log_file, **kwargs)
        for handler in logger.handlers:
            if type(handler) is logging.StreamHandler:
                handler.addFilter(_is_short)
        logger.info(f'Environment, config and hooks: {logger.log_file}')
        return logger

    def resume(
        self,
        filename: str,
        resume_optimizer: bool = True,
        resume_param_scheduler: bool = True,
        map_location: str | Callable = 'default',
    ) -> None:
        """Go on from a checkpoint that is read to the host.

        Args:
            filename (str): As for :meth:`load_checkpoint`.
            resume_optimizer (bool): Whether to load the optimizer's state.
                It goes to the devices of its parameters. Defaults to True.
            resume_param_scheduler (bool): Whether to load the schedulers'
                state. Defaults to True.
            map_location (str | Callable): As for :func:`torch.load`;
                ``'default'`` is the host, where mmengine takes the device.
        """
        if map_location == 'default':
            map_location = 'cpu'
        super().resume(
            filename, resume_optimizer, resume_param_scheduler, map_location
        )

    def load_checkpoint(
        self,
        filename: str,
        map_location: str | Callable = 'cpu',
        strict: bool = False,
        revise_keys: Sequence[tuple[str, str]] = ((r'^module.', ''),),
    ) -> dict:
        """Load a checkpoint into the model.

        Args:
            filename (str): Path, URL, or whatever else mmengine takes.
            map_location (str | Callable): As for :func:`torch.load`; mapped
                are files read to the host. Defaults to ``'cpu'``.
            strict (bool): As in mmengine. Defaults to False.
            revise_keys (Sequence[tuple[str, str]]): Pattern and replacement
                for keys of the state dict. By default the prefix
                ``module.`` is taken off.

        Returns:
            dict: The checkpoint. Of a mapped file all but the state dict of
            the model is a copy.
        """
        checkpoint = _map_file(filename) if map_location == 'cpu' else None
        if checkpoint is None:
            checkpoint = CheckpointLoader.load_checkpoint(
                filename, map_location
            )
        self.call_hook('after_load_checkpoint', checkpoint=checkpoint)
        checkpoint = _load_checkpoint_to_model(
            unwrap_model(self.model),
            checkpoint,
            strict,
            revise_keys=revise_keys,
        )
        self._has_loaded = True
        self.logger.info(f'Load checkpoint from {filename}')
        return checkpoint


def _is_short(record: logging.LogRecord) -> bool:
    """Whether a message fits a screen; warnings always do."""
    is_warning = record.levelno >= logging.WARNING
    return is_warning or record.getMessage().count('\n') < _MAX_LINES


def _map_file(filename: str) -> dict[str, Any] | None:
    """Map a local checkpoint of plain values, None if it is none.

    What is no state dict of the model is copied: an optimizer on the host
    keeps the very tensors it loads, and they must not be pages of a file
    that another run may write to.
    """
    path = Path(filename).expanduser()
    if not zipfile.is_zipfile(path):  # a URL, or of torch before 1.6
        return None
    try:
        checkpoint = torch.load(
            path, map_location='cpu', mmap=True, weights_only=True
        )
    except UnpicklingError:  # foreign: mmengine judges the pickles
        return None
    if 'state_dict' not in checkpoint:
        return checkpoint
    return {
        key: value if key == 'state_dict' else copy.deepcopy(value)
        for key, value in checkpoint.items()
    }
