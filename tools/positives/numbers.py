"""The numbers behind the pictures, for every round and run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mmisl.structures import MiningSnapshot, ScoredEdges

from .runs import MatchedRound, MiningRun

# What an edge set is worth, from mmisl.evaluation.edge_numbers.
Numbers = Mapping[str, float]


@dataclass(frozen=True)
class RunNumbers:
    """Numbers of one run at one time.

    Attributes:
        run: Its name.
        round: Of its mining, as the run counts.
        epoch: Encoder epochs that had been trained.
        mined: Of all its positives.
        control: Of plain nearest neighbours, as many and by the same
            features; None if the run kept none.
    """

    run: str
    round: int
    epoch: int
    mined: Numbers
    control: Numbers | None

    def short(self, epoch: int) -> str:
        """A line below the heading of a picture.

        Args:
            epoch (int): Of the heading; another one of this run is said.
        """
        parts = [] if self.epoch == epoch else [f'epoch {self.epoch}']
        if 'purity' in self.mined:
            parts.append(f'purity {100 * self.mined["purity"]:.1f} %')
        degree = self.mined['mean_degree']
        # Of few edges the second place is the first that tells something.
        places = 1 if degree >= 1 else 2
        parts.append(f'{degree:.{places}f} positives an image')
        return ', '.join(parts)


@dataclass(frozen=True)
class RoundNumbers:
    """Numbers of all runs at one time; of those that had mined by then."""

    round: int
    epoch: int
    runs: Sequence[RunNumbers]


def measure(
    runs: Sequence[MiningRun],
    matched: Sequence[MatchedRound],
    number: Callable[[ScoredEdges], Numbers],
) -> list[RoundNumbers]:
    """Number what every run held at every time.

    Args:
        runs (Sequence[MiningRun]): The runs.
        matched (Sequence[MatchedRound]): Their rounds, side by side.
        number (Callable): Gives the numbers of a set of edges.
    """
    # A stage that two rounds share is measured once.
    known: dict[Any, tuple[Numbers, Numbers | None]] = {}
    rounds = []
    for match in matched:
        found = []
        for run, moment in zip(runs, match.moments):
            if moment is None:
                continue
            if moment.path not in known:
                known[moment.path] = _of_snapshot(moment.load(), number)
            found.append(
                RunNumbers(
                    run.name, moment.round, moment.epoch, *known[moment.path]
                )
            )
        rounds.append(RoundNumbers(match.round, match.epoch, found))
    return rounds


def as_json(rounds: Sequence[RoundNumbers]) -> list[dict]:
    """All of it, as JSON takes it."""
    return [asdict(entry) for entry in rounds]


def _of_snapshot(
    snapshot: MiningSnapshot, number: Callable[[ScoredEdges], Numbers]
) -> tuple[Numbers, Numbers | None]:
    control = snapshot.control
    return (
        number(snapshot.edges),
        None if control is None else number(control),
    )
