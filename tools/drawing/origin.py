"""Where numbers come from: command, commits, versions and machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .reading import Results


def describe_origin(results: Results) -> str:
    """What repeats a comparison, and what it was run with."""
    head = results.head
    facts = [
        head['date'],
        _versions(head['versions']),
        _commits(results),
        _seeds(results),
        _machine(head['machine']),
        *map(_earlier, head.get('earlier', [])),
    ]
    sentences = '. '.join(fact for fact in facts if fact)
    return f'```\n{head["command"].strip()}\n```\n\n{sentences}.\n'


def _earlier(state: Mapping[str, Any]) -> str:
    return (
        f'Other runs: {state["date"]}, {_versions(state["versions"])}, on '
        f'{_machine(state["machine"])}'
    )


def _versions(versions: Mapping[str, Any]) -> str:
    return ', '.join(f'{name} {value}' for name, value in versions.items())


def _commits(results: Results) -> str:
    # A run in several parts may have been trained by several commits.
    commits = sorted(
        {
            commit.strip(',')
            for run in results.runs
            for commit in str(run.get('commit', '')).split()
        }
    )
    return _count('Commit', 'Commits', commits)


def _seeds(results: Results) -> str:
    seeds = sorted({run['seed'] for run in results.runs})
    return _count('Seed', 'Seeds', [str(seed) for seed in seeds])


def _count(one: str, many: str, items: list[str]) -> str:
    if not items:
        return ''
    return f'{one if len(items) == 1 else many} {", ".join(items)}'


def _bfloat16(has_it: bool | None) -> str:
    """Of the processor: whether training is in it or in float32."""
    if has_it is None:  # not noted
        return ''
    return f'{"with" if has_it else "without"} bfloat16'


def _machine(machine: Mapping[str, Any]) -> str:
    gpus = machine.get('gpus', [])
    parts = [
        str(machine.get('processor', '')),
        f'{machine["cores"]} cores' if 'cores' in machine else '',
        f'{machine["memory_gib"]} GiB' if 'memory_gib' in machine else '',
        _bfloat16(machine.get('bfloat16')),
        ', '.join(map(str, gpus)) if gpus else 'no GPU',
    ]
    return ', '.join(part for part in parts if part)
