"""Weights & Biases, with an axis that a resumed run goes on with."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.visualization import WandbVisBackend

from mmisl.registry import VISBACKENDS

# Beside the checkpoints: the run of Weights & Biases that they belong to.
ID_NAME = 'wandb_run_id.txt'


@VISBACKENDS.register_module()
class WandbBackend(WandbVisBackend):
    """mmengine's ``WandbVisBackend``, for runs of many stages and starts.

    - The original drops the step of what it is given, so losses of
      iterations and scores of epochs are counted alike, and from 0 after a
      resume. Here numbers of iterations have the axis ``iter``, all others
      and pictures ``epoch``, as far as the run has come over all its starts.
    - A resumed run goes on in the same run of Weights & Biases, whose name
      is kept in the work dir (``wandb_run_id.txt``).
    - Code is not uploaded: the original sends every Python file below the
      current folder. ``run.json`` names the commit.

    Args:
        save_dir (str): Of the visualizer.
        init_kwargs (dict, optional): Of ``wandb.init``, such as ``project``,
            ``name`` (by default that of the work dir) and
            ``mode='offline'``. An ``id`` in it, or in the
            environment as ``WANDB_RUN_ID``, stands before that of the work
            dir.
        define_metric_cfg (dict | list[dict], optional): As in mmengine.
        commit (bool): As in mmengine. Defaults to True.

    Raises:
        ImportError: On the first use, if wandb is missing.
    """

    def __init__(
        self,
        save_dir: str,
        init_kwargs: dict | None = None,
        define_metric_cfg: dict | list | None = None,
        commit: bool = True,
    ) -> None:
        super().__init__(
            save_dir,
            init_kwargs=init_kwargs,
            define_metric_cfg=define_metric_cfg,
            commit=commit,
        )
        self._given = init_kwargs or {}
        self._known: set[str] = set()
        self._axis = 'epoch'

    def add_config(self, config: Config, **kwargs: Any) -> None:
        """Begin or go on with the run, and record its config."""
        settings = dict(self._given)
        settings.setdefault('name', Path(config.work_dir).resolve().name)
        if 'id' not in settings and not os.environ.get('WANDB_RUN_ID'):
            is_resumed = bool(config.get('resume'))
            path = Path(config.work_dir, ID_NAME)
            settings['id'] = _find_id(path, is_resumed=is_resumed)
            settings.setdefault('resume', 'allow')
        self._init_kwargs = settings
        hooks = config.get('default_hooks') or {}
        if not (hooks.get('logger') or {}).get('log_metric_by_epoch', True):
            self._axis = 'iter'  # as detectors have it
        # A start that resumes has another load_from than the one before.
        self.experiment.config.update(config.to_dict(), allow_val_change=True)

    def add_image(
        self, name: str, image: np.ndarray, step: int = 0, **kwargs: Any
    ) -> None:
        """Record an image (H, W, 3) uint8, RGB, of an epoch."""
        self._log({name: self.experiment.Image(image)}, step)

    def add_scalar(
        self, name: str, value: Any, step: int = 0, **kwargs: Any
    ) -> None:
        """Record a number of an epoch."""
        self._log({name: value}, step)

    def add_scalars(
        self,
        scalar_dict: dict,
        step: int = 0,
        file_path: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Record numbers of an iteration, if ``iter`` is one of them.

        Else they are of an epoch, or of the iteration ``step`` where the
        config validates by iterations (``log_metric_by_epoch=False``).
        """
        self._log(scalar_dict, step)

    def _log(self, values: Mapping[str, Any], step: int) -> None:
        axis = 'iter' if 'iter' in values else self._axis
        record = {axis: step, **values}
        for name in sorted(values.keys() - self._known - {'epoch', 'iter'}):
            self.experiment.define_metric(name, step_metric=axis)
            self._known.add(name)
        self.experiment.log(record, commit=self._commit)


def _find_id(path: Path, *, is_resumed: bool) -> str:
    """Name of the run whose checkpoints lie in a folder, or a new one."""
    if is_resumed and path.is_file():
        return path.read_text().strip()
    name = uuid.uuid4().hex[:8]
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f'{path.name}.partial')
    partial.write_text(f'{name}\n')
    os.replace(partial, path)
    return name
