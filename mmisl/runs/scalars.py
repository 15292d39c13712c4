"""The numbers that a run has logged, over all of its starts."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from numbers import Real
from pathlib import Path

# Logged once per mining stage, so it marks where a round ends.
ROUND_KEY = 'mining/round'


def read_scalars(path: str | os.PathLike[str]) -> list[dict]:
    """Read ``vis_data/scalars.json``, one JSON object per line.

    Args:
        path (str | PathLike): File that mmengine's LocalVisBackend writes.

    Returns:
        list[dict]: One per line. A last line that a killed run cut off is
        left out.

    Raises:
        ValueError: If another line is no JSON.
    """
    records = []
    lines = Path(path).read_text(encoding='utf-8').splitlines()
    for number, line in enumerate(lines, start=1):
        try:
            records.append(_in_words_of_now(json.loads(line)))
        except json.JSONDecodeError as error:
            if number < len(lines):
                raise ValueError(
                    f'{path}, line {number}, is no JSON ({error}); remove '
                    'the line'
                ) from None
    return records


def _in_words_of_now(record: dict) -> dict:
    """A record under the names that numbers have now."""
    # The purity of clusters was once called as that of edges, another number.
    if 'mining/num_clusters' in record and 'mining/purity' in record:
        record['mining/cluster_purity'] = record.pop('mining/purity')
    # So were the times of validation called as those of training.
    if 'iter' not in record and any('/' in name for name in record):
        for name in ('time', 'data_time'):
            if name in record:
                record[f'val/{name}'] = record.pop(name)
    return record


def merge_scalars(starts: Sequence[Sequence[dict]]) -> list[dict]:
    """One history of a run that was resumed, or started anew, in its folder.

    What a later start did again replaces what an earlier one had logged: all
    from the first epoch that the later one trains, or from its first
    iteration where a run counts these, and records of the same step and the
    same numbers, such as a mining that was cut short.

    Args:
        starts (Sequence[Sequence[dict]]): Records of each start, in the
            order of time.

    Returns:
        list[dict]: In the order of the run.
    """
    merged: list[dict] = []
    for records in starts:
        first = _first_trained(records)
        again = {_kind(record) for record in records}
        merged = [
            record
            for record in merged
            if (first is None or epoch_of(record) < first)
            and _kind(record) not in again
        ]
        merged += records
    return merged


def epoch_of(record: Mapping) -> float:
    """Encoder epoch of a record: its ``epoch``, or else its ``step``.

    Training logs both; validation and mining count steps in epochs.
    """
    return record['epoch'] if 'epoch' in record else record['step']


def epoch_means(records: Sequence[Mapping], key: str) -> dict[float, float]:
    """Mean of a number at every epoch, such as of the iterations' losses.

    Args:
        records (Sequence[Mapping]): Log records.
        key (str): Name of the number; records without it, or in which it is
            no number, are passed over.

    Returns:
        dict[float, float]: By epoch, ascending.
    """
    values = defaultdict(list)
    for record in records:
        value = record.get(key)
        if isinstance(value, Real):
            values[float(epoch_of(record))].append(float(value))
    return {
        epoch: sum(values[epoch]) / len(values[epoch])
        for epoch in sorted(values)
    }


def _first_trained(records: Sequence[dict]) -> float | None:
    """Epoch that a start trains first, or iteration of its first record.

    mmengine's loop of iterations logs ``iter`` and no ``epoch``, and counts
    the steps of all its records in iterations.
    """
    for key, place in (('epoch', 'epoch'), ('iter', 'step')):
        trained = [record[place] for record in records if key in record]
        if trained:
            return min(trained)
    return None


def _kind(record: dict) -> tuple:
    return (record.get('step'), frozenset(record))
