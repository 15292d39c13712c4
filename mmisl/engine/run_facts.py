"""What a run was made with: machine, versions and commit.

All of it is for people to read later. What cannot be found is None, and no
run fails for it.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
from pathlib import Path
from typing import Any

import torch

from mmisl.environment import FAISS, installed_versions

# Packages whose versions a run may depend on, by the name of the import, and
# a pattern of the distributions that bring them, of which one is installed.
PACKAGES: dict[str, str | re.Pattern[str]] = {
    'mmisl': 'mmisl',
    'torchvision': 'torchvision',
    'mmengine': 'onedl-mmengine',
    'mmpretrain': 'onedl-mmpretrain',
    'mmcv': 'onedl-mmcv',
    'mmdet': 'onedl-mmdetection',
    'numpy': 'numpy',
    'faiss': FAISS,
    'sklearn': 'scikit-learn',
}
_ROOT = Path(__file__).resolve().parents[2]
# On a slow network disk git may take long, and the run waits for it.
_GIT_SECONDS = 10


def machine() -> dict[str, Any]:
    """Processor, cores, memory and GPUs of this machine.

    Returns:
        dict[str, Any]: ``cores`` (int) that this process may use,
        ``processor`` (str) and ``memory_gib`` (float), None where they are
        not known, ``bfloat16`` (bool), see :func:`has_bfloat16`, and
        ``gpus``, the name of every GPU that torch sees.
    """
    return dict(
        processor=_processor(),
        cores=usable_cores(),
        memory_gib=_memory_gib(),
        bfloat16=has_bfloat16(),
        gpus=[
            torch.cuda.get_device_name(index)
            for index in range(torch.cuda.device_count())
        ],
    )


def versions() -> dict[str, str | None]:
    """Version of Python and of each package; None where it is missing."""
    found: dict[str, str | None] = {'python': platform.python_version()}
    installed = installed_versions()
    for name, pattern in PACKAGES.items():
        matches = [
            version
            for distribution, version in sorted(installed.items())
            if re.fullmatch(pattern, distribution)
        ]
        found[name] = matches[0] if matches else None
    found['torch'] = str(torch.__version__)  # names the CUDA it is built for
    return found


def usable_cores() -> int:
    """Cores that this process may use, as a job of a cluster has a part.

    Only Linux tells; elsewhere it is all that the machine has.
    """
    if hasattr(os, 'sched_getaffinity'):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def has_bfloat16() -> bool:
    """Whether this processor computes in bfloat16 at full speed.

    oneDNN, which torch convolves with, needs AVX-512 or AMX for it, or Arm's
    instructions; elsewhere torch emulates it, an order of magnitude slower
    than float32.
    """
    # torch 2.11 has no public question for it; builds without oneDNN have
    # not this one either.
    asked = getattr(torch.ops.mkldnn, '_is_mkldnn_bf16_supported', None)
    return asked is not None and bool(asked())


def commit_of_code() -> str | None:
    """Commit of mmisl and its configs, with a plus where they were changed.

    Returns:
        str | None: Short hash; None where there is no git, or no repository
        of mmisl: an installed one may lie in that of another project.
    """
    try:
        if Path(_git('rev-parse', '--show-toplevel')).resolve() != _ROOT:
            return None
        commit = _git('rev-parse', '--short', 'HEAD')
        changed = _git('status', '--porcelain', '--', 'mmisl', 'configs')
    except (OSError, subprocess.SubprocessError):
        return None
    return commit + ('+' if changed else '')


def _processor() -> str | None:
    """Model of the CPU; Linux tells it in a file, others to Python."""
    try:
        lines = Path('/proc/cpuinfo').read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        key, _, value = line.partition(':')
        if key.strip() == 'model name' and value.strip():
            return value.strip()
    return platform.processor() or platform.machine() or None


def _memory_gib() -> float | None:
    try:
        pages, size = os.sysconf('SC_PHYS_PAGES'), os.sysconf('SC_PAGE_SIZE')
    except (AttributeError, OSError, ValueError):
        return None
    return round(pages * size / 2**30, 1)


def _git(*words: str) -> str:
    answer = subprocess.run(
        ['git', '-C', str(_ROOT), *words],
        capture_output=True,
        text=True,
        check=True,
        timeout=_GIT_SECONDS,
    )
    return answer.stdout.strip()
