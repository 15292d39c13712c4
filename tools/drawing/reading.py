"""Reads a file of results and names what is wrong with it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common import ConfigError

KINDS = ('methods', 'miners', 'detectors')
_TEXTS = ('title', 'command', 'date')
_OBJECTS = ('versions', 'machine')
# What a file says of each of its former states.
_STATE = dict(date=str, versions=dict, machine=dict)
# Mixing up a share and a percentage would shift a number by two digits.
_SHARES = (
    'purity',
    'control_purity',
    'cluster_purity',
    'nmi',
    'replication',
    'coverage',
    'pixel_distance',
    'control_pixel_distance',
)
_PERCENTAGES = (
    'knn',
    'knn_backbone',
    'linear',
    'voc07',
    'area',
    'supplement',
)
_FACTS = dict(
    methods=('budget', ('images', 'test_images', 'epochs', 'batch_size')),
    miners=('features', ('images', 'views', 'epoch', 'knn')),
    detectors=(
        'detector',
        ('images', 'test_images', 'iterations', 'epochs', 'batch_size'),
    ),
)
_NUMBERS = (
    'seconds',
    'shared_seconds',
    'peak_memory_gib',
    'images_per_second',
    'epoch',
    'edges',
    'requested',
    'quota',
    'max_degree',
)


@dataclass(frozen=True)
class Results:
    """One file of results.

    Attributes:
        name: Of the file, without its suffix.
        kind: One of ``KINDS``.
        head: What the file says of all runs, such as title and command.
        runs: Numbers of each run; what was not measured is not in it.
    """

    name: str
    kind: str
    head: Mapping[str, Any]
    runs: Sequence[Mapping[str, Any]]

    def by_name(self) -> dict[str, list[Mapping[str, Any]]]:
        """Runs of each method, miner or start, in the order of the file."""
        groups: dict[str, list[Mapping[str, Any]]] = {}
        for run in self.runs:
            groups.setdefault(run['name'], []).append(run)
        return groups


def read_all(folder: Path) -> list[Results]:
    """All files of a folder, by name; none where there is no folder.

    Raises:
        ConfigError: If a file is not what results/README.md says.
    """
    return [read_results(path) for path in sorted(folder.glob('*.json'))]


def read_results(path: Path) -> Results:
    """Read and check one file.

    Raises:
        ConfigError: If it is not what results/README.md says.
    """
    if not re.fullmatch(r'\w[\w-]*', path.stem):
        raise ConfigError(
            f'{path}: the name of a file of results is that of its block and '
            'pictures, and may have letters, digits, - and _ only'
        )
    try:
        head = json.loads(path.read_bytes(), parse_constant=_refuse_constant)
    except ValueError as error:
        raise ConfigError(f'{path} is no JSON: {error}') from error
    head = _without_nulls(head)
    _check_head(path, head)
    runs = head.pop('runs')
    for index, run in enumerate(runs):
        _check_run(f'{path}: runs[{index}]', run, head['kind'])
    _check_runs_differ(path, runs)
    return Results(path.stem, head.pop('kind'), head, runs)


def _refuse_constant(text: str) -> None:
    raise ValueError(f'{text} is no number; leave out what is not known')


def _without_nulls(value: Any) -> Any:
    """What is null was not measured, as what is not there."""
    if isinstance(value, dict):
        return {
            key: _without_nulls(item)
            for key, item in value.items()
            if item is not None
        }
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value


def _check_head(path: Path, head: Any) -> None:
    _require(path, isinstance(head, dict), 'file', 'an object', head)
    kind = head.get('kind')
    _require(path, kind in KINDS, 'kind', f'one of {", ".join(KINDS)}', kind)
    for key in _TEXTS:
        value = head.get(key)
        is_text = isinstance(value, str) and bool(value.strip())
        _require(path, is_text, key, 'a text', value)
    facts, numbers = _FACTS[kind]
    for key in (*_OBJECTS, facts):
        value = head.get(key)
        _require(path, isinstance(value, dict), key, 'an object', value)
    for key in numbers:
        value = head[facts].get(key, 0)
        _require(path, _is_number(value), f'{facts}.{key}', 'a number', value)
    knn, gpus = head[facts].get('knn', {}), head['machine'].get('gpus', [])
    if kind == 'methods':
        _require(path, isinstance(knn, dict), 'budget.knn', 'an object', knn)
    _require(path, isinstance(gpus, list), 'machine.gpus', 'a list', gpus)
    earlier = head.get('earlier', [])
    _require(path, isinstance(earlier, list), 'earlier', 'a list', earlier)
    for state in earlier:
        is_state = isinstance(state, dict) and all(
            isinstance(state.get(key), each) for key, each in _STATE.items()
        )
        wanted = f'a list of objects with {", ".join(_STATE)}'
        _require(path, is_state, 'earlier', wanted, state)
    runs = head.get('runs')
    is_list = isinstance(runs, list) and len(runs) > 0
    _require(path, is_list, 'runs', 'a list of at least one run', runs)


def _check_run(place: str, run: Any, kind: str) -> None:
    _require(place, isinstance(run, dict), 'run', 'an object', run)
    name, seed = run.get('name'), run.get('seed')
    is_name = isinstance(name, str) and bool(name.strip())
    _require(place, is_name, 'name', 'a text', name)
    _require(place, _is_whole(seed), 'seed', 'a whole number', seed)
    _check_numbers(place, run)
    if kind == 'miners':
        overrides = run.get('overrides', {})
        is_object = isinstance(overrides, dict)
        _require(place, is_object, 'overrides', 'an object', overrides)
        return
    _check_stages(place, run.get('stages', {}))
    _check_curves(place, run.get('curves', {}))
    rounds = run.get('rounds', [])
    _require(place, isinstance(rounds, list), 'rounds', 'a list', rounds)
    for index, mined in enumerate(rounds):
        inner = f'{place}.rounds[{index}]'
        _require(inner, isinstance(mined, dict), 'round', 'an object', mined)
        number = mined.get('round')
        # Logs of a run hold it as 1.0.
        is_whole = _is_number(number) and number == int(number)
        _require(inner, is_whole, 'round', 'a whole number', number)
        _check_numbers(inner, mined)


def _check_numbers(place: str, values: Mapping[str, Any]) -> None:
    for key in (*_NUMBERS, *_SHARES, *_PERCENTAGES):
        if key not in values:
            continue
        value = values[key]
        _require(place, _is_number(value), key, 'a number', value)
        if key in _SHARES:
            is_share = 0 <= value <= 1
            _require(place, is_share, key, 'a share in [0, 1]', value)
        if key in _PERCENTAGES:
            is_percentage = 0 <= value <= 100
            _require(
                place, is_percentage, key, 'a percentage in [0, 100]', value
            )


def _check_stages(place: str, stages: Any) -> None:
    is_table = isinstance(stages, dict) and all(
        _is_number(value) for value in stages.values()
    )
    _require(place, is_table, 'stages', 'seconds by stage', stages)


def _check_curves(place: str, curves: Any) -> None:
    _require(place, isinstance(curves, dict), 'curves', 'an object', curves)
    for key, points in curves.items():
        is_curve = isinstance(points, list) and all(
            isinstance(point, list)
            and len(point) == 2
            and all(map(_is_number, point))
            for point in points
        )
        _require(
            f'{place}.curves', is_curve, key, 'pairs [epoch, value]', points
        )


def _check_runs_differ(path: Path, runs: Sequence[Mapping[str, Any]]) -> None:
    seen = set()
    for run in runs:
        # Of a miner there is a run at each quota.
        key = (run['name'], run['seed'], run.get('quota'))
        if key in seen:
            quota = '' if key[2] is None else f' at quota {key[2]}'
            raise ConfigError(
                f'{path}: has two runs {run["name"]} with seed '
                f'{run["seed"]}{quota}; remove one'
            )
        seen.add(key)


def _require(
    place: str | Path, is_met: bool, key: str, allowed: str, got: Any
) -> None:
    if is_met:
        return
    text = 'nothing' if got is None else json.dumps(got)
    shown = text if len(text) <= 60 else f'{text[:57]}...'
    raise ConfigError(
        f'{place}: {key} must be {allowed}, got {shown}; see results/README.md'
    )


def _is_number(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    # 1e999 is written as a number and read as infinity.
    return is_number and math.isfinite(value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
