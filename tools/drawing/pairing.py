"""What mining adds to a method, seed by seed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .cells import Runs

# Parts of a config's name. Local Aggregation is instance discrimination too,
# before it looks for neighbours.
_MINING = {'isl', 'la', 'knn', 'entropy'}
# ISL with the demo's settings is the demo's own config.
_PLAIN_ISL = 'demo'


@dataclass(frozen=True)
class Difference:
    """A number with mining less the same without it.

    Attributes:
        seeds: That both were run with and have the number, ascending.
        values: Difference at each of them.
    """

    seeds: list[int]
    values: list[float]


def without_mining(name: str, names: Iterable[str]) -> str | None:
    """The method that another one is when it mines nothing.

    Args:
        name (str): Of the method.
        names (Iterable[str]): Of all methods that were compared.

    Returns:
        str | None: NPID for ISL and Local Aggregation, MoCo v2 for MoCo v2
        with mined positives; None for what does not mine, or where the other
        was not run.
    """
    words = set(name.split('_'))
    if not words & _MINING and name != _PLAIN_ISL:
        return None
    engine = 'mocov2' if 'mocov2' in words else 'npid'
    for other in names:
        others = set(other.split('_'))
        if engine in others and not others & _MINING:
            return other
    return None


def paired_difference(mined: Runs, plain: Runs, key: str) -> Difference:
    """Differences of a number between runs with the same seed.

    Runs of one seed begin from the same weights and see the same batches, so
    that much of the spread between seeds falls out. It does not where one
    trained in bfloat16 and the other on a processor without: no pair is made
    of those.
    """
    before = {run['seed']: run for run in plain if key in run}
    after = {run['seed']: run for run in mined if key in run}
    seeds = [
        seed
        for seed in sorted(before.keys() & after.keys())
        if before[seed].get('bfloat16') == after[seed].get('bfloat16')
    ]
    return Difference(
        seeds, [after[seed][key] - before[seed][key] for seed in seeds]
    )
