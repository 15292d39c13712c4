"""What a run has left in its folder, and its first round in another."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from mmisl.runs import merge_scalars, read_run
from mmisl.runs.scalars import epoch_of

from .runs import Run, peak_memory_of, seconds_so_far
from .sharing import FirstRound

# Of the last mining: purity of edges, or of clusters where those were found.
LAST_STAGE = dict(purity='purity', cluster_purity='purity', nmi='nmi')
# Logged when a stage ends, see mmisl.StageTimesHook.
_STAGE, _SECONDS = 'stage/', '_seconds'


def describe_run(
    run: Run, first: FirstRound | None, *, batch_size: int
) -> dict[str, Any]:
    """What is known of a run that is finished and scored.

    Args:
        run (Run): The run.
        first (FirstRound, optional): That it may have gone on from. Of a run
            that went on from one which is not given here, or has not begun,
            only scores and what was mined are known.
        batch_size (int): Images of an iteration.

    Returns:
        dict[str, Any]: Name, seed and commits; scores; purity of the last
        mining; seconds and memory; curves. What is not known is left out.
    """
    own = read_run(run.folder).scalars
    parts: list[Run] = [run]
    records = own
    start = first_trained(own)
    if first is not None and not any(first.folder.glob('*/vis_data')):
        # Other methods of the command would share it; this run had another.
        first = None
    if first is None and 1 < start < math.inf:
        # Time, memory and curves of a part would be taken for the whole.
        return dict(
            json.loads(run.result.read_text()),
            commit=' '.join(commits_of(run)),
            **last_stage(own),
            rounds=mining_rounds(own),
        )
    if first is not None and start > first.num_epochs:
        parts = [first, run]
        shared = [
            record
            for record in read_run(first.folder).scalars
            if epoch_of(record) <= first.num_epochs
        ]
        records = merge_scalars([shared, own])
    result = json.loads(run.result.read_text())
    return dict(
        result,
        commit=' '.join(
            dict.fromkeys(c for part in parts for c in commits_of(part))
        ),
        **processor(parts),
        **last_stage(records),
        **costs(parts),
        **speed(records, batch_size),
        stages=stage_seconds(records),
        curves=ended(curves(records), run.num_done, result),
        rounds=mining_rounds(records),
    )


def first_trained(own: Sequence[dict]) -> float:
    """The first epoch that a run has trained by itself, 1 or later.

    Args:
        own (Sequence[dict]): What it has logged.

    Returns:
        float: Infinity where it has logged none.
    """
    return min(
        (
            epoch_of(record)
            for record in own
            if 'epoch' in record or f'{_STAGE}encoder{_SECONDS}' in record
        ),
        default=math.inf,
    )


def commits_of(run: Run) -> list[str]:
    """Commits of the code that trained it, the earliest first."""
    noted = run.commit.read_text().split() if run.commit.is_file() else []
    logged = [record.get('commit') for record in records_of(run)]
    return [*dict.fromkeys([*noted, *filter(None, logged)])]


def processor(parts: Sequence[Run]) -> dict[str, bool]:
    """Whether all processors that trained compute in bfloat16, if known.

    Where one does not, configs that ask for bfloat16 train in float32.

    Args:
        parts (Sequence[Run]): A run, behind its first round if that is
            another one's.
    """
    answers = [
        record.get('machine', {}).get('bfloat16')
        for part in parts
        for record in records_of(part)
    ]
    if not answers or None in answers:
        return {}
    return dict(bfloat16=all(answers))


def records_of(run: Run) -> list[dict[str, Any]]:
    """What each part of a run has noted at its start."""
    return [
        json.loads(path.read_text())
        for path in sorted(run.folder.glob('*/run.json'))
    ]


def last_stage(records: Sequence[dict]) -> dict[str, float]:
    """Purity and NMI of what a run has mined last, if anything.

    The purity is that of edges, or of clusters where those were found: the
    table says so.
    """
    mined = [record for record in records if 'mining/round' in record]
    if not mined:
        return {}
    last = max(mined, key=lambda record: record['mining/round'])
    return {
        name: last[f'mining/{logged}']
        for logged, name in LAST_STAGE.items()
        if f'mining/{logged}' in last
    }


def costs(parts: Sequence[Run]) -> dict[str, float]:
    """Wall time and memory.

    Args:
        parts (Sequence[Run]): A run, behind its first round if that is
            another one's.
    """
    found: dict[str, float] = {}
    seconds = [seconds_so_far(part) for part in parts]
    known = [value for value in seconds if value is not None]
    if len(known) == len(parts):
        found['seconds'] = round(sum(known), 1)
        if len(parts) > 1:
            found['shared_seconds'] = round(known[0], 1)
    peaks = [peak for part in parts if (peak := peak_memory_of(part))]
    if len(peaks) == len(parts):
        found['peak_memory_gib'] = max(peaks)
    return found


def speed(records: Sequence[dict], batch_size: int) -> dict[str, float]:
    """Images a second in training, the median of what was logged."""
    seconds = [
        record['time']
        for record in records
        if 'epoch' in record and 'time' in record
    ]
    if not seconds:
        return {}
    median = statistics.median(seconds)
    return dict(images_per_second=round(batch_size / median, 1))


def stage_seconds(records: Sequence[dict]) -> dict[str, float]:
    """Wall seconds of encoder, validation, extraction and mining, summed."""
    totals: dict[str, float] = {}
    for record in records:
        for key, value in record.items():
            if key.startswith(_STAGE) and key.endswith(_SECONDS):
                name = key.removeprefix(_STAGE).removesuffix(_SECONDS)
                totals[name] = totals.get(name, 0.0) + value
    return {name: round(value, 1) for name, value in totals.items()}


def curves(records: Sequence[dict]) -> dict[str, list[list[float]]]:
    """KNN accuracy of each validation, as pairs of epoch and value.

    A run validates once more where its first round has ended; that counts.
    """
    found: dict[str, dict[float, float]] = {}
    for record in records:
        for key, value in record.items():
            if key.startswith('knn/'):
                found.setdefault(key, {})[record['step']] = value
    return {
        key: [[epoch, value] for epoch, value in by_epoch.items()]
        for key, by_epoch in found.items()
    }


def ended(
    found: dict[str, list[list[float]]],
    num_epochs: int,
    result: Mapping[str, Any],
) -> dict[str, list[list[float]]]:
    """Curves up to the last epoch, whose score is known in any case.

    A run that was stopped between its last checkpoint and the validation
    after it is finished, and has not logged the latter.

    Args:
        found (dict): As :func:`curves` gives them.
        num_epochs (int): Of the run.
        result (Mapping): Its scores; ``knn`` is of the same features, voters
            and temperature as the curve.
    """
    points = found.get('knn/recomputed_top1')
    if not points or points[-1][0] >= num_epochs:
        return found
    last = [num_epochs, result['knn']]
    return {**found, 'knn/recomputed_top1': [*points, last]}


def mining_rounds(records: Sequence[dict]) -> list[dict[str, float]]:
    """What each mining has logged, by round.

    ``edges`` are all that hold, and ``requested`` those that would hold had
    the last mining found all that it was asked for. Where samples are
    clustered there are ``cluster_purity`` and ``nmi`` instead.
    """
    mined = [record for record in records if 'mining/round' in record]
    return [_mining_round(record) for record in mined]


def _mining_round(record: dict) -> dict[str, float]:
    logged = {
        key.removeprefix('mining/'): value
        for key, value in record.items()
        if key.startswith('mining/')
    }
    found = dict(round=logged['round'], epoch=record['step'])
    if 'num_edges' in logged:
        missing = logged['edges_requested'] - logged['edges_accepted']
        found['edges'] = logged['num_edges']
        found['requested'] = logged['num_edges'] + missing
    for name in (
        'purity',
        'replication',
        'max_degree',
        'coverage',
        'cluster_purity',
        'nmi',
    ):
        if name in logged:
            found[name] = logged[name]
    return found
