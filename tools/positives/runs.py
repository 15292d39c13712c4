"""Runs whose positives are compared, and which of their rounds belong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmisl.config_check import check_overrides
from mmisl.runs import read_run, short_names
from mmisl.structures import MiningSnapshot


@dataclass(frozen=True)
class Moment:
    """One mining stage of a run.

    Attributes:
        round: Its number in the run, from 0.
        epoch: Encoder epochs that had been trained.
        path: File of its snapshot.
    """

    round: int
    epoch: int
    path: Path

    def load(self) -> MiningSnapshot:
        """All positives as they were then."""
        return MiningSnapshot.load(self.path)


@dataclass(frozen=True)
class MiningRun:
    """A run with what it mined, by epoch."""

    name: str
    work_dir: Path
    config: Config
    moments: Sequence[Moment]

    def at(self, epoch: int) -> Moment | None:
        """The last mining at or before an epoch, None if there was none."""
        before = [m for m in self.moments if m.epoch <= epoch]
        return before[-1] if before else None


@dataclass(frozen=True)
class MatchedRound:
    """One time in all runs.

    Attributes:
        round: Of the run with the fewest rounds, which sets the pace.
        epoch: Encoder epochs that it had been trained then.
        moments: What holds in every run at that epoch, None before its first
            mining.
    """

    round: int
    epoch: int
    moments: Sequence[Moment | None]

    @property
    def title(self) -> str:
        """As the heading of a picture."""
        trained = f'after epoch {self.epoch}' if self.epoch else 'untrained'
        return f'round {self.round}, {trained}'


def read_runs(
    work_dirs: Sequence[Path],
    names: Sequence[str] | None,
    options: Mapping[str, Any],
) -> list[MiningRun]:
    """Read the runs of the command line.

    Args:
        work_dirs (Sequence[Path]): Of the runs.
        names (Sequence[str], optional): What to call them; the shortest ends
            of their paths that differ, if there are none.
        options (Mapping[str, Any]): Overrides of their configs.

    Raises:
        ConfigError: If an override would change nothing.
        FileNotFoundError: If there is no such folder.
        ValueError: If a folder is of no run, if a run has mined nothing, or
            if there are fewer than two or not as many names.
    """
    if len(work_dirs) < 2:
        raise ValueError(
            f'{len(work_dirs)} run given; name the work dirs of two or more'
        )
    if names is None:
        names = short_names(work_dirs)
    if len(names) != len(work_dirs) or len(set(names)) < len(names):
        raise ValueError(
            f'--names must give each of the {len(work_dirs)} runs a name of '
            f'its own, got {" ".join(names)}'
        )
    return [
        _read(work_dir, name, options)
        for work_dir, name in zip(work_dirs, names)
    ]


def match_rounds(
    runs: Sequence[MiningRun], rounds: Sequence[int] | None
) -> list[MatchedRound]:
    """Pair what the runs held at the same epoch.

    The run with the fewest rounds sets the pace, the first of several. Of the
    others, which may cluster before every epoch, the last stage counts that
    was at or before that epoch.

    Args:
        runs (Sequence[MiningRun]): To pair.
        rounds (Sequence[int], optional): Rounds of that run, instead of all.

    Raises:
        ValueError: If it has no such round.
    """
    pace = min(runs, key=lambda run: len(run.moments))
    by_round = {moment.round: moment for moment in pace.moments}
    for wanted in rounds or ():
        if wanted not in by_round:
            raise ValueError(
                f'--rounds {wanted}: there is no such round; {pace.name}, '
                f'the run with the fewest, has {_listed(list(by_round))}'
            )
    return [
        MatchedRound(
            round=number,
            epoch=by_round[number].epoch,
            moments=[run.at(by_round[number].epoch) for run in runs],
        )
        for number in sorted(rounds or by_round)
    ]


def _read(work_dir: Path, name: str, options: Mapping[str, Any]) -> MiningRun:
    record = read_run(work_dir)
    if record.config is None:
        raise ValueError(
            f'{work_dir} has no config, which names the images; every run '
            'writes it there, as NAME.py'
        )
    if not record.snapshots:
        raise ValueError(
            f'{work_dir} has no mining snapshots (mining/round_*.npz): it has '
            'mined nothing yet, its method never does, or it ran without '
            'MiningSnapshotHook; resume or repeat it with the hook'
        )
    check_overrides(record.config, options)
    record.config.merge_from_dict(dict(options))
    moments = _moments(record.snapshots)
    return MiningRun(name, work_dir, record.config, moments)


def _listed(rounds: Sequence[int]) -> str:
    """Such as 'round 0 alone', 'rounds 0 to 4' or 'rounds 0, 2, 3'."""
    if len(rounds) == 1:
        return f'round {rounds[0]} alone'
    if len(rounds) == rounds[-1] - rounds[0] + 1:
        return f'rounds {rounds[0]} to {rounds[-1]}'
    return f'rounds {", ".join(map(str, rounds))}'


def _moments(paths: Sequence[Path]) -> list[Moment]:
    moments = []
    for path in paths:
        snapshot = MiningSnapshot.load(path)
        moments.append(Moment(snapshot.round, snapshot.epoch, path))
    return moments
