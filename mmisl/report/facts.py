"""What was run, in words."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmisl.runs import RunRecord

from .run_images import RunImages


def run_facts(
    record: RunRecord, images: RunImages | None
) -> list[tuple[str, str]]:
    """Label and text of what is known of a run, the unknown left out.

    Args:
        record (RunRecord): Of the run.
        images (RunImages, optional): That it was trained on.
    """
    cfg, info = record.config or Config(), record.info
    model = cfg.get('model') or {}
    train_cfg = cfg.get('train_cfg') or {}
    versions = info.get('versions') or {}
    facts = {
        'method': _short(model.get('type')),
        'backbone': _describe_part(model.get('backbone')),
        'miner': _short((model.get('miner') or {}).get('type')),
        'config': info.get('config') or _describe_dumped(record),
        'seed': info.get('seed', (cfg.get('randomness') or {}).get('seed')),
        'images': None if images is None else f'{len(images):,}',
        'classes': _describe_classes(images),
        'rounds': train_cfg.get('max_rounds'),
        f'{record.unit}s': _describe_epochs(record),
        'batch size': (cfg.get('train_dataloader') or {}).get('batch_size'),
        'processes': info.get('world_size'),
        'started': info.get('started'),
        'machine': _describe_machine(info.get('machine') or {}),
        'versions': ', '.join(f'{k} {v}' for k, v in versions.items()),
        'commit': info.get('commit'),
        'checkpoint': record.checkpoint and record.checkpoint.name,
        'work dir': record.work_dir,
    }
    return [(k, str(v)) for k, v in facts.items() if v not in (None, '')]


def repeat_command(record: RunRecord) -> str:
    """The command line that trains the same again, from its beginning.

    Without a record of the one that was given it trains from the config that
    the run has left, see :func:`command_note`; empty where that is missing,
    too.
    """
    argv = record.info.get('argv')
    if argv:
        return shlex.join([*_launcher(record.info), *_without_resume(argv)])
    dumped = _dumped_config(record)
    if dumped is None:
        return ''
    path = record.work_dir / dumped
    return shlex.join(['python', 'tools/train.py', str(path)])


def command_note(record: RunRecord) -> str:
    """What to know before that command is given; mostly nothing."""
    dumped = _dumped_config(record)
    if record.info.get('argv') or dumped is None:
        return ''
    return (
        'The run has left no run.json with the command that was given, so '
        f'this one trains from the config that it has dumped: {dumped} in '
        'its work dir, whose path has to be changed where that lies elsewhere.'
    )


def _launcher(info: Mapping[str, Any]) -> list[str]:
    """What starts as many processes as the run had, by its ``--launcher``."""
    words = ' '.join(map(str, info['argv']))
    found = re.search(r'--launcher[ =](\w+)', words)
    launcher = found[1] if found else 'none'
    number = info.get('world_size') or 1
    if launcher == 'pytorch':
        module = ['python', '-m', 'torch.distributed.run', '--standalone']
        return [*module, '--nproc-per-node', str(number)]
    if launcher == 'slurm':
        return ['srun', f'--ntasks={number}', 'python']
    return ['python']


def _without_resume(argv: Sequence[Any]) -> list[str]:
    """Words of a command line, but for a wish to go on where it stopped.

    A checkpoint that is named stays: it is part of what was run.
    """
    kept: list[str] = []
    for word in [*map(str, argv), '--']:
        if kept and kept[-1] == '--resume' and word[:1] == '-':
            kept.pop()
        kept.append(word)
        if kept[-2:] == ['--resume', 'auto'] or word == '--resume=auto':
            del kept[-1 - (word == 'auto') :]
    return kept[:-1]


def _dumped_config(record: RunRecord) -> Path | None:
    """The config that was read, below the work dir."""
    if record.config is None:
        return None
    return Path(os.path.relpath(record.config.filename, record.work_dir))


def _describe_dumped(record: RunRecord) -> str | None:
    dumped = _dumped_config(record)
    return None if dumped is None else f'{dumped} in the work dir'


def _short(name: Any) -> str | None:
    """Name of a class without its scope."""
    return None if name is None else str(name).rpartition('.')[2]


def _describe_part(cfg: Mapping[str, Any] | None) -> str | None:
    if not cfg:
        return None
    depth = cfg.get('depth')
    name = _short(cfg.get('type'))
    return name if depth is None else f'{name}, depth {depth}'


def _describe_classes(images: RunImages | None) -> str | None:
    if images is None or images.labels is None:
        return None
    count = len(set(images.labels[images.labels >= 0].tolist()))
    return f'{count} (labels for this report only)'


def _describe_epochs(record: RunRecord) -> str:
    planned = record.epochs_planned
    done = f'{record.epochs_done:,}'
    return done if planned is None else f'{done} of {planned:,}'


def _describe_machine(machine: Mapping[str, Any]) -> str:
    gpus = machine.get('gpus') or []
    parts = [str(gpu) for gpu in gpus] or ['no GPU']
    if machine.get('processor'):
        parts.append(str(machine['processor']))
    if machine.get('cores'):
        parts.append(f'{machine["cores"]} cores')
    if machine.get('memory_gib'):
        parts.append(f'{float(machine["memory_gib"]):.0f} GiB of memory')
    return ', '.join(parts) if machine else ''
