"""Processes that need not import torch and the rest again: seconds each."""

from __future__ import annotations

import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from multiprocessing.context import BaseContext
from pathlib import Path

import config_texts  # noqa: F401  in the processes, too

TESTS = Path(__file__).resolve().parent
PRELOADED = [
    'mmpretrain.datasets',
    'mmpretrain.models',
    'mmisl.config_check',
    'mmisl.engine.hooks',
    'mmisl.engine.loops',
    'mmisl.evaluation',
    'mmisl.models',
    'yapf.yapflib.yapf_api',
]


def process_context() -> BaseContext:
    """Processes forked from a server that has imported all that is slow.

    The server itself never trains, so its children start clean.
    """
    os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload(PRELOADED)
    return context


def run_script(
    path: Path,
    args: Sequence[str] = (),
    *,
    cwd: Path,
    env: Mapping[str, str],
    timeout: float = 300,
) -> subprocess.CompletedProcess[str]:
    """Run ``python PATH ARGS``, without the seconds that its imports take.

    What is imported already hides an import that is missing, and how many
    threads torch has was settled in the server; a test of either needs a
    process of its own.

    Raises:
        subprocess.TimeoutExpired: As ``subprocess.run`` does.
    """
    command = [str(path), *args]
    with tempfile.TemporaryDirectory() as folder:
        outputs = [Path(folder, name) for name in ('stdout', 'stderr')]
        process = process_context().Process(
            target=_play, args=(command, str(cwd), dict(env), outputs)
        )
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(command, timeout)
        return subprocess.CompletedProcess(
            [sys.executable, *command],
            process.exitcode,
            *(output.read_text() for output in outputs),
        )


def _play(
    command: list[str], cwd: str, env: dict[str, str], outputs: list[Path]
) -> None:
    """Do in this process what Python would do with a script."""
    for number, output in enumerate(outputs, 1):
        with output.open('w') as file:
            os.dup2(file.fileno(), number)
    # Python's own choice again: the server's would be that of its children.
    multiprocessing.set_start_method(None, force=True)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    script = Path(command[0])
    installed = [p for p in sys.path if not Path(p).is_relative_to(TESTS)]
    added = [p for p in env.get('PYTHONPATH', '').split(os.pathsep) if p]
    sys.path[:] = [str(script.parent), *added, *installed]
    sys.argv[:] = command
    runpy.run_path(str(script), run_name='__main__')
