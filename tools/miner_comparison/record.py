"""The file of results: every finished run, saved at once."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from files import write_json
from saved_results import results_file, taken_over

from mmisl.engine.run_facts import commit_of_code

from .variants import Variant

KIND = 'miners'
# What tells runs of one file apart.
_PLACE = ('name', 'quota', 'seed')


class Record:
    """Finished runs of one set of features, in a file or only in memory.

    Two commands may fill one file at the same time.

    Args:
        path (Path, optional): File to go on with, or to write.
        title (str, optional): Of the file. Defaults to that it has already,
            else to ``default_title``.
        default_title (str): See there.
        command (str): That is being run; a file keeps all that filled it, a
            line each.
        features (dict[str, Any]): What is mined; ``key`` tells whether runs
            in the file are of the same.

    Attributes:
        key: That of the features.

    Raises:
        ValueError: If the file is no comparison of miners, or one on other
            features.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        title: str | None,
        default_title: str,
        command: str,
        features: dict[str, Any],
    ) -> None:
        self.path = path
        found = _read(path, features['key'])
        self._content = results_file(
            KIND,
            title=title or found.get('title', default_title),
            command=command,
            features={**found.get('features', {}), **features},
            runs=found.get('runs', []),
        )
        self._content.update(taken_over(found, self._content))
        self._commit = commit_of_code()
        self.key = features['key']

    @property
    def runs(self) -> list[dict[str, Any]]:
        """All that are finished, also those that were not asked for now."""
        return self._content['runs']

    def describe_features(self, **facts: Any) -> None:
        """Add what is known once images and features are there."""
        known = {k: v for k, v in facts.items() if v is not None}
        self._content['features'].update(known)

    def find(
        self, variant: Variant, quota: float, seed: int
    ) -> dict[str, Any] | None:
        """The finished run at this place, None if there is none.

        Raises:
            ValueError: If it is of another miner.
        """
        place = (variant.name, quota, seed)
        for run in self.runs:
            if _place_of(run) != place:
                continue
            if run['miner'] != variant.miner or run['views'] != variant.views:
                raise ValueError(
                    f'{self.path} has a run of another miner called '
                    f'{variant.name!r} ({_words(run["overrides"])}, now '
                    f'{_words(variant.overrides)}); give it another name, or '
                    'name another file with --save'
                )
            return run
        return None

    def add(
        self,
        variant: Variant,
        quota: float,
        seed: int,
        numbers: dict[str, Any],
    ) -> None:
        """Keep a finished run, in the file as well."""
        run: dict[str, Any] = dict(name=variant.name, seed=seed)
        if self._commit is not None:
            run['commit'] = self._commit
        run.update(
            overrides=variant.overrides,
            miner=variant.miner,
            views=variant.views,
            quota=quota,
            **numbers,
        )
        self.runs.append(run)
        if self.path is not None:
            with _alone_in(self.path.parent):
                self._take_over(_read(self.path, self.key))
                write_json(self.path, self._content)

    def _take_over(self, found: dict[str, Any]) -> None:
        """Keep what another command has written to the file meanwhile."""
        known = {_place_of(run) for run in self.runs}
        self.runs.extend(
            run for run in found.get('runs', []) if _place_of(run) not in known
        )
        self._content.update(taken_over(found, self._content))


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Wait until no other command writes into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _place_of(run: dict[str, Any]) -> tuple:
    return tuple(run[key] for key in _PLACE)


def _read(path: Path | None, key: str) -> dict[str, Any]:
    if path is None or not path.exists():
        return {}
    try:
        found = json.loads(path.read_text())
    except ValueError:
        found = None
    if not isinstance(found, dict) or found.get('kind') != KIND:
        raise ValueError(
            f'--save {path} is no comparison of miners; name another file'
        )
    if found['features']['key'] != key:
        raise ValueError(
            f'--save {path} is of other features than those of this config '
            'and checkpoint; name another file'
        )
    return found


def _words(overrides: dict[str, Any]) -> str:
    return ', '.join(f'{k}={v}' for k, v in overrides.items()) or 'unchanged'
