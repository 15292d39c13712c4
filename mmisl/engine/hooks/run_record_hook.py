"""What was run, with what and on what, in one small file."""

from __future__ import annotations

import json
import os
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from mmengine.dist import get_world_size, master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmisl.registry import HOOKS

from ..run_facts import commit_of_code, machine, versions

RECORD_NAME = 'run.json'


@HOOKS.register_module()
class RunRecordHook(Hook):
    """Writes ``run.json`` beside the log when a training begins.

    It holds the command line (``argv``), the file of the config, the seed,
    when it started, the number of processes, the commit of the code, the
    machine and the versions of packages. A resumed run has a folder of its
    own for its log, and so a record of its own. What cannot be found out is
    null, and a record that cannot be written is a warning: no run fails for
    it. Works with any runner of mmengine.
    """

    @master_only
    def before_train(self, runner: Runner) -> None:
        """Write the record, whole or not at all."""
        path = Path(runner.log_dir, RECORD_NAME)
        partial = path.with_name(f'{path.name}.partial')
        try:
            partial.write_text(json.dumps(_record(runner), indent=2) + '\n')
            os.replace(partial, path)
        except OSError as error:
            runner.logger.warning(f'{path} cannot be written: {error}')


def _record(runner: Runner) -> dict[str, Any]:
    return dict(
        argv=sys.argv,
        config=_config_file(runner),
        seed=runner.seed,
        started=datetime.now().astimezone().isoformat(timespec='seconds'),
        world_size=get_world_size(),
        commit=commit_of_code(),
        machine=machine(),
        versions=versions(),
    )


def _config_file(runner: Runner) -> str | None:
    """Path of the config, from here where it lies below this folder."""
    if not runner.cfg.filename:  # made by a program
        return None
    path = Path(runner.cfg.filename)
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
