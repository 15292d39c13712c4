"""Configs of detectors, checked before anything is trained."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from common import (
    check_config,
    check_environment,
    check_overrides,
    load_config,
)
from mmengine.config import Config

from .cells import pretrained_options


def read_detector(
    path: str, options: dict[str, Any], checkpoint: str | None
) -> Config:
    """Read a config that trains a detector.

    Args:
        path (str): Of the config.
        options (dict[str, Any]): Overrides of the command line.
        checkpoint (str, optional): In place of the config's; ``'none'`` for
            random weights.

    Raises:
        ConfigError: If the config has a slip.
        RuntimeError: If mmcv has no compiled ops.
    """
    cfg = load_config(argparse.Namespace(config=path, cfg_options=options))
    if checkpoint is not None:
        pretrained = pretrained_options(checkpoint)
        check_overrides(cfg, pretrained)
        cfg.merge_from_dict(pretrained)
    check_config(cfg)
    check_environment(need_ops=True)
    return cfg


def batch_note(cfg: Config, processes: int) -> str:
    """What to know where the batch is not that of the learning rate.

    Args:
        cfg (Config): Of a detector.
        processes (int): That will train it.

    Returns:
        str: One line; empty where the batch is as the config means it, or
        the config does not say.
    """
    scaling = cfg.get('auto_scale_lr') or {}
    meant = scaling.get('base_batch_size')
    each = cfg.train_dataloader.get('batch_size', 0)
    if meant in (None, processes * each) or scaling.get('enable'):
        return ''
    return (
        f'note: learning rate and iterations are meant for {meant} images a '
        f'step, and {processes} x {each} are {processes * each}; with another '
        'number of processes scale both, the rate by auto_scale_lr.enable='
        'True among --cfg-options'
    )


def refuse(title: str, complaints: Sequence[str]) -> NoReturn:
    """Print a list of what does not fit, and end with exit status 1."""
    lines = [f'  - {complaint}' for complaint in complaints]
    print(f'error: {title}:', *lines, sep='\n', file=sys.stderr)
    sys.exit(1)
