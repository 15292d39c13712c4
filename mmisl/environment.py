"""Names what is wrong with an installation, and the command that mends it.

The mistakes looked for here do not stop pip, and show much later as an error
that speaks of something else. Nothing heavy is imported before it is needed,
so a tool can call :func:`check_environment` first of all.
"""

from __future__ import annotations

import importlib
import os
import re
import shlex
import sys
from importlib import metadata

# The maintained distribution of each import name, and those that write to the
# same files.
RIVALS = {
    'onedl-mmengine': ('mmengine', 'mmengine-lite'),
    'onedl-mmcv': ('mmcv', 'mmcv-full', 'mmcv-lite'),
    'onedl-mmpretrain': ('mmpretrain',),
    'onedl-mmdetection': ('mmdet',),
}

# faiss-cpu, faiss-gpu, faiss-gpu-cu12, ...: all of them install `faiss`.
FAISS = re.compile(r'faiss(-cpu|-gpu(-cu\d+)?)?')

# A pair that was tested, as in requirements/constraints.txt.
TORCH_PAIR = 'torch==2.11.0 torchvision==0.26.0'


def check_environment(need_ops: bool = False) -> None:
    """Refuse an installation that would fail later and less clearly.

    Args:
        need_ops (bool): Whether the compiled ops of mmcv are needed, as for
            detection. Defaults to False.

    Raises:
        RuntimeError: If upstream's distributions stand next to the OneDL ones,
            if there are two distributions of faiss, if torchvision was built
            for another torch, or if ops are needed and cannot be loaded. The
            message is one line and holds the command to run.
    """
    installed = installed_versions()
    _check_rivals(installed)
    _check_faiss(installed)
    _check_torchvision()
    if need_ops:
        _check_ops(installed)


def installed_versions() -> dict[str, str]:
    """Version of every installed distribution, by normalised name."""
    return {
        re.sub(r'[-_.]+', '-', name).lower(): distribution.version
        for distribution in metadata.distributions()
        # An interrupted uninstall leaves folders without a name.
        if (name := distribution.metadata['Name'])
    }


def _check_rivals(installed: dict[str, str]) -> None:
    """Refuse two distributions of one OpenMMLab package."""
    found = {
        ours: [rival for rival in rivals if rival in installed]
        for ours, rivals in RIVALS.items()
        if ours in installed
    }
    overwritten = [ours for ours, rivals in found.items() if rivals]
    if not overwritten:
        return
    remove = ' '.join(rival for rivals in found.values() for rival in rivals)
    mend = ' '.join(f'{ours}=={installed[ours]}' for ours in overwritten)
    raise RuntimeError(
        f'{remove} overwrites files of {" ".join(overwritten)}; remove it '
        f'and put the files back: {_pip()} uninstall -y {remove} && '
        f'{_pip()} install --no-cache-dir --no-deps --force-reinstall {mend}'
    )


def _check_faiss(installed: dict[str, str]) -> None:
    """Refuse two distributions of faiss."""
    found = sorted(name for name in installed if FAISS.fullmatch(name))
    if len(found) < 2:
        return
    keep, names = found[-1], ' '.join(found)
    raise RuntimeError(
        f'{" and ".join(found)} overwrite each other; keep one, for example '
        f'{keep}: {_pip()} uninstall -y {names} && '
        f'{_pip()} install --no-deps {keep}=={installed[keep]}'
    )


def _check_torchvision() -> None:
    """Refuse a torchvision that was built for another torch."""
    try:
        importlib.import_module('torchvision')
    except RuntimeError as error:
        if 'operator torchvision::nms does not exist' not in str(error):
            raise
        raise RuntimeError(
            f'torchvision fails with "{error}": it was built for another '
            'torch than the one installed, often a CPU-only one, for which '
            'the package index has no torchvision; install a pair: '
            f'{_pip()} install --force-reinstall {TORCH_PAIR}'
        ) from error


def _check_ops(installed: dict[str, str]) -> None:
    """Refuse an mmcv without ops that load."""
    # The ops are linked against the libraries that torch loads.
    importlib.import_module('torch')
    try:
        importlib.import_module('mmcv._ext')
    except ImportError as error:
        raise RuntimeError(
            f'the compiled ops of mmcv cannot be loaded ({error}); build '
            'them against the torch that is installed, some 10 minutes on 2 '
            f'cores: {ops_command(installed.get("onedl-mmcv"))}'
        ) from error


def ops_command(version: str | None = None) -> str:
    """Shell command that builds onedl-mmcv with its ops.

    Without isolation, because the build needs the installed torch to compile
    anything; without pip's cache, which may hold a wheel that has no ops.

    Args:
        version (str, optional): Version of onedl-mmcv. Defaults to None, the
            newest one.

    Returns:
        str: One line for ``sh``.
    """
    wanted = 'onedl-mmcv' if version is None else f'onedl-mmcv=={version}'
    # torch finds ninja by PATH only, and compiles one file at a time without.
    scripts = shlex.quote(os.path.dirname(sys.executable))
    return (
        f"{_pip()} install 'setuptools>=80,<82' wheel packaging ninja && "
        f'PATH={scripts}:"$PATH" MAX_JOBS={os.cpu_count()} {_pip()} install '
        '--no-cache-dir --no-build-isolation --no-deps --force-reinstall '
        f'--no-binary onedl-mmcv {wanted}'
    )


def _pip() -> str:
    """Pip of the running interpreter, whichever is first on PATH."""
    return f'{shlex.quote(sys.executable)} -m pip'
