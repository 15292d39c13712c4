"""Compare the logs of runs: curves, throughput, and where the time went.

Usage:
    python tools/analyze_logs.py WORK_DIR [WORK_DIR ...]
        [--keys loss knn/bank_top1] [--out DIR]

A run that was resumed counts as one, and what it trained again counts once;
one that was killed is shown as far as it came. With --out the folder gets
summary.json and curves.png.
"""

from __future__ import annotations

import argparse
import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from common import add_traceback_argument, run_tool
from files import write_json
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mmisl.report.curves import stage_times
from mmisl.runs import RunRecord, read_run, short_names
from mmisl.runs.scalars import epoch_of
from mmisl.visualization import NumberCurve, draw_number_curves

# Shown where nothing else is asked for, as far as they were logged.
DEFAULT_KEYS = (
    'loss',
    'knn/bank_top1',
    'knn/recomputed_top1',
    'mining/purity',
    'mining/cluster_purity',
    'mining/mean_degree',
)
UNKNOWN = '-'


@dataclass(frozen=True)
class Speed:
    """How fast a run trained.

    Attributes:
        seconds_per_iteration: Median of what was logged, so that neither the
            start of a run nor a pause counts.
        images_per_second: Over all processes; None where the config does not
            tell the batch size.
        data_share: Of the time, spent waiting for images, in [0, 1].
    """

    seconds_per_iteration: float
    images_per_second: float | None
    data_share: float


def parse_args() -> argparse.Namespace:
    """Command line of this tool."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        'work_dirs',
        nargs='+',
        metavar='WORK_DIR',
        help='folder of a run, as it was given to tools/train.py',
    )
    parser.add_argument(
        '--keys',
        nargs='+',
        metavar='KEY',
        help='numbers to compare, by the name they are logged under\n'
        f'(default: {", ".join(DEFAULT_KEYS)})',
    )
    parser.add_argument(
        '--out', type=Path, metavar='DIR', help='folder to write to'
    )
    add_traceback_argument(parser)
    return parser.parse_args()


def analyze(args: argparse.Namespace) -> None:
    """Compare runs as the command line says."""
    runs = [read_run(folder) for folder in args.work_dirs]
    names = short_names(args.work_dirs)
    keys = choose_keys(runs, args.keys)
    curves = {
        key: [
            NumberCurve(name, list(series), list(series.values()))
            for name, run in zip(names, runs)
            if (series := epoch_means(run.scalars, key))
        ]
        for key in keys
    }
    summaries = [summarise(run, keys) for run in runs]
    show(names, summaries, keys)
    if args.out is None:
        return
    write_json(
        args.out / 'summary.json',
        dict(
            runs=dict(zip(names, summaries)),
            curves={
                key: {c.run: dict(zip(c.epochs, c.values)) for c in drawn}
                for key, drawn in curves.items()
            },
        ),
    )
    draw_number_curves(curves, paths=[args.out / 'curves.png'])
    print(f'{args.out / "summary.json"} and curves.png are written.')


def choose_keys(
    runs: Sequence[RunRecord], wanted: Sequence[str] | None
) -> list[str]:
    """Numbers to compare, without those by default that nobody logged.

    Raises:
        ValueError: If a number that is asked for was not logged, or nothing
            was.
    """
    logged = {
        key
        for run in runs
        for record in run.scalars
        for key, value in record.items()
        if isinstance(value, (int, float))
    } - {'step'}
    if not logged:
        folders = ', '.join(str(run.work_dir) for run in runs)
        raise ValueError(f'{folders}: nothing is logged yet')
    if wanted is None:
        return [key for key in DEFAULT_KEYS if key in logged]
    for key in wanted:
        if key not in logged:
            raise ValueError(
                f'--keys: no run has logged {key!r}; there are '
                f'{", ".join(sorted(logged))}'
            )
    return list(dict.fromkeys(wanted))


def epoch_means(scalars: Sequence[dict], key: str) -> dict[float, float]:
    """Mean of a number in every epoch that has it, by rising epoch."""
    values = defaultdict(list)
    for record in scalars:
        if key in record:
            values[float(epoch_of(record))].append(float(record[key]))
    return {epoch: statistics.fmean(values[epoch]) for epoch in sorted(values)}


def summarise(run: RunRecord, keys: Sequence[str]) -> dict[str, Any]:
    """What the table says of a run, as JSON holds it."""
    speed = speed_of(run)
    return dict(
        work_dir=str(run.work_dir),
        status=run.status,
        epochs=run.epochs_done,
        last={
            key: list(series.values())[-1]
            for key in keys
            if (series := epoch_means(run.scalars, key))
        },
        speed=None if speed is None else asdict(speed),
        stages={
            name: dict(seconds=seconds, count=count)
            for name, seconds, count in stage_times(run.scalars)
        },
    )


def speed_of(run: RunRecord) -> Speed | None:
    """How fast a run trained; None where no iteration was logged."""
    logged = [r for r in run.scalars if 'iter' in r and 'time' in r]
    if not logged:
        return None
    seconds = statistics.median(record['time'] for record in logged)
    loader = (run.config or {}).get('train_dataloader') or {}
    batch_size = loader.get('batch_size')
    world_size = run.info.get('world_size', 1)
    return Speed(
        seconds_per_iteration=seconds,
        images_per_second=batch_size and batch_size * world_size / seconds,
        data_share=sum(record.get('data_time', 0.0) for record in logged)
        / sum(record['time'] for record in logged),
    )


def show(
    names: Sequence[str],
    summaries: Sequence[dict[str, Any]],
    keys: Sequence[str],
) -> None:
    """Print a table, a column for each run."""
    table = Table()
    table.add_column('')
    for name in names:
        table.add_column(Text(name), justify='right', overflow='fold')
    rows = {'status': [summary['status'] for summary in summaries]}
    for key in keys:
        rows[f'{key}, last'] = [
            _format(s['last'].get(key), '.4g') for s in summaries
        ]
    speeds = [summary['speed'] or {} for summary in summaries]
    for label, name, spec in (
        ('images/s', 'images_per_second', ',.1f'),
        ('s/iteration', 'seconds_per_iteration', '.4f'),
        ('waiting for images', 'data_share', '.1%'),
    ):
        rows[label] = [_format(speed.get(name), spec) for speed in speeds]
    for stage in dict.fromkeys(s for x in summaries for s in x['stages']):
        times = [summary['stages'].get(stage) for summary in summaries]
        rows[f'{stage} (s)'] = [
            UNKNOWN if t is None else f'{t["seconds"]:,.1f} in {t["count"]}'
            for t in times
        ]
    for label, cells in rows.items():
        table.add_row(Text(label), *map(Text, cells))
    Console().print(table)


def _format(value: float | None, spec: str) -> str:
    return UNKNOWN if value is None else format(value, spec)


if __name__ == '__main__':
    run_tool(analyze, parse_args())
