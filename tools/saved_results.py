"""What all files under results/ have in common, and how one is gone on with.

A study may outlive a machine: --save with --keep adds to a file what this
work dir has finished, and leaves all else that the file has as it is.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from common import ConfigError
from comparison.runs import Run

from mmisl.engine.run_facts import machine, versions

# Of the state of the tool and machine at one time.
_STATE = ('date', 'versions', 'machine')
# What runs of one file must have in common, by kind; see results/README.md.
_FACTS = dict(methods='budget', detectors='detector')
# Tell apart what one name stands for, where a run has them.
_DIGESTS = ('config_sha256', 'checkpoint_sha256')


def results_file(
    kind: str,
    *,
    title: str,
    command: str,
    runs: Sequence[dict[str, Any]],
    **facts: dict[str, Any],
) -> dict[str, Any]:
    """A file of results as it is written today.

    Args:
        kind (str): One of ``methods``, ``miners`` and ``detectors``.
        title (str): Names the numbers.
        command (str): That makes them.
        runs (Sequence[dict]): One a name and seed (and quota).
        **facts (dict): What all runs have in common, under one name.

    Returns:
        dict[str, Any]: Plain values, as results/README.md lists them.
    """
    return dict(
        kind=kind,
        title=title,
        command=command,
        date=time.strftime('%Y-%m-%d'),
        versions=versions(),
        machine=machine(),
        **facts,
        runs=list(runs),
    )


def check_save(
    path: Path,
    runs: Sequence[Run],
    *,
    kind: str,
    keep: bool,
    baselines: Collection[str] = (),
) -> None:
    """Refuse to write over runs that would be lost.

    Args:
        path (Path): File to save to, which need not exist.
        runs (Sequence[Run]): All that are wanted.
        kind (str): Of the file.
        keep (bool): Whether runs that are not finished here stay in the file.
        baselines (Collection[str]): Names of what is measured anew each time.

    Raises:
        ConfigError: If the file is of something else; without ``keep`` also
            if it has a run that is not among the finished ones.
    """
    if not path.is_file():
        return
    held = read_saved(path, kind)['runs']
    if keep:
        return
    saved = {(run['name'], run['seed']) for run in held}
    finished = {(run.name, run.seed) for run in runs if run.result.is_file()}
    lost = sorted(
        (name, seed)
        for name, seed in saved - finished
        if name not in baselines
    )
    if lost:
        name, seed = lost[0]
        raise ConfigError(
            f'--save {path} has {len(lost)} runs that this command would '
            f'lose, such as {name} (seed {seed}), which is not finished in '
            'the work dir, or not asked for; leave them in it with --keep, '
            'or name another file'
        )


def read_saved(path: Path, kind: str) -> dict[str, Any]:
    """A file of results that is to be written again.

    Raises:
        ConfigError: If it is something else.
    """
    try:
        found = json.loads(path.read_text())
        for run in found['runs']:
            run['name'], run['seed']
        is_ours = found['kind'] == kind
    except (ValueError, KeyError, TypeError):
        is_ours = False
    if not is_ours:
        raise ConfigError(
            f'--save {path} is no file of results of the kind {kind!r}; name '
            'another file'
        )
    return found


def keep_runs(
    path: Path, content: dict[str, Any], *, seedless: Collection[str] = ()
) -> dict[str, Any]:
    """Add to a file's runs those of a new one, which replace their former.

    Args:
        path (Path): File to go on with, which need not exist.
        content (dict): As :func:`results_file` gives it.
        seedless (Collection[str]): Names of runs that no seed changes: one
            of them is enough.

    Returns:
        dict[str, Any]: With all commands, a line each, and in ``earlier``
        the date, versions and machine of former ones that had others.

    Raises:
        ConfigError: If both do not compare: another kind, other facts, or
            another config or checkpoint behind a name.
    """
    if not path.is_file():
        return content
    found = read_saved(path, content['kind'])
    facts = _FACTS[content['kind']]
    if found.get(facts) != content[facts]:
        raise ConfigError(
            f'--save {path} has the {facts} {found.get(facts)!r}, and what '
            f'is finished here {content[facts]!r}: they do not compare; name '
            'another file'
        )
    _check_configs(path, found['runs'], content['runs'])
    new = {_place(run, seedless): run for run in content['runs']}
    runs = [new.pop(_place(run, seedless), run) for run in found['runs']]
    return {
        **content,
        **taken_over(found, content),
        'runs': [*runs, *new.values()],
    }


def taken_over(
    found: Mapping[str, Any], content: Mapping[str, Any]
) -> dict[str, Any]:
    """What a file that is gone on with says of commands and machines.

    Args:
        found (Mapping): The file as it is; empty if there is none.
        content (Mapping): What is to be written.

    Returns:
        dict[str, Any]: ``command`` with those of both, each once, and
        ``earlier`` if the file was written under other versions, or on
        another machine.
    """
    commands = [found.get('command', ''), content['command']]
    lines = '\n'.join(commands).strip().splitlines()
    merged: dict[str, Any] = dict(command='\n'.join(dict.fromkeys(lines)))
    states = [*found.get('earlier', [])]
    if found:
        states.append({key: found.get(key) for key in _STATE})
    seen = [_but_date(content)]
    earlier: list[dict[str, Any]] = []
    for state in reversed(states):
        if _but_date(state) not in seen:
            seen.append(_but_date(state))
            earlier.insert(0, state)
    if earlier:
        merged['earlier'] = earlier
    return merged


def _but_date(state: Mapping[str, Any]) -> list[Any]:
    return [state[key] for key in _STATE if key != 'date']


def _place(run: Mapping[str, Any], seedless: Collection[str]) -> tuple:
    name = run['name']
    return (name,) if name in seedless else (name, run['seed'])


def _check_configs(
    path: Path,
    found: Sequence[Mapping[str, Any]],
    new: Sequence[Mapping[str, Any]],
) -> None:
    """Insist on one config, and one checkpoint, behind each name.

    Raises:
        ConfigError: If there are two.
    """
    now = {run['name']: run for run in new}
    for run in found:
        for key in _DIGESTS:
            wanted = now.get(run['name'], run).get(key)
            if None not in (wanted, run.get(key)) and run[key] != wanted:
                raise ConfigError(
                    f'--save {path} has {run["name"]} (seed {run["seed"]}) '
                    f'of another {key.split("_")[0]} than what is finished '
                    'here; name another file'
                )
