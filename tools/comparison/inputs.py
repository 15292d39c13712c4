"""What methods need beside their images, looked for before any training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from common import ConfigError
from mmengine.config import Config

from mmisl.apis import build_loader, loader_config
from mmisl.registry import MODELS

from .runs import Run


def check_inputs(runs: Iterable[Run], configs: Mapping[Path, Config]) -> None:
    """Let the miners of runs that are not finished look for their files.

    Args:
        runs (Iterable[Run]): All that are wanted.
        configs (Mapping[Path, Config]): By the path that runs name, on the
            same images.

    Raises:
        ConfigError: If a method misses a file, or has one of other images.
    """
    waiting = {run.config for run in runs if not run.result.is_file()}
    mining = [
        (path, cfg)
        for path, cfg in configs.items()
        if path in waiting and 'miner' in cfg.model
    ]
    if not mining:
        return
    _, images = build_loader(loader_config(mining[0][1], 'train'))
    for path, cfg in mining:
        try:
            MODELS.build(cfg.model).check_mining(images.num_instances)
        except (FileNotFoundError, ValueError) as error:
            raise ConfigError(f'{path}: {error}') from error
