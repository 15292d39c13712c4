"""Finetune one detector from ISL, from NPID and from random weights.

Usage:
    python tools/demo_detection.py [--work-dir DIR] [--jobs 2]

On the CPU, in minutes: pretrains on handwritten digits over textures, then
trains Faster R-CNN on scenes of such digits, three times with the same seed
and schedule. Prints a table of mAP; writes it to metrics.json, and detections
to detections.png. A second call does what is left.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

# One thread is fastest for networks this small, and leaves the other cores to
# other trainings. torch reads this once, when it is imported.
os.environ.setdefault('OMP_NUM_THREADS', '1')

from common import (  # noqa: E402
    add_options_argument,
    require_detection,
    run_tool,
)

require_detection()

from comparison.runs import Run  # noqa: E402
from detection_demo.chains import Job, train_chains  # noqa: E402
from detection_demo.curve import validation_curve  # noqa: E402
from detection_demo.pictures import draw_detections  # noqa: E402
from detection_demo.scoring import score_detector  # noqa: E402
from detection_demo.starts import DETECTOR, STARTS  # noqa: E402
from files import write_json  # noqa: E402
from mmengine.config import Config  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from mmisl import __version__  # noqa: E402
from mmisl.config_check import check_overrides  # noqa: E402
from mmisl.datasets import (  # noqa: E402
    make_digit_scenes,
    make_digits_textures,
)

NUM_PICTURES = 6
ELEVEN_POINTS, AREA = 'voc07/mAP', 'area/mAP'


def parse_args() -> argparse.Namespace:
    """Command line of this tool."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument(
        '--work-dir',
        type=Path,
        default=Path('work_dirs/demo_detection'),
        help='folder of all runs (default: work_dirs/demo_detection)',
    )
    parser.add_argument(
        '--jobs',
        type=int,
        default=min(2, os.cpu_count() or 1),
        help='trainings at a time (default: 2, or 1 on a single core)',
    )
    add_options_argument(parser)
    return parser.parse_args()


def demo(args: argparse.Namespace) -> None:
    """Make the data, train everything, and show what came of it."""
    console = Console(file=sys.stdout)  # also while stdout is redirected
    cfg = Config.fromfile(DETECTOR)
    check_overrides(cfg, args.cfg_options)
    cfg.merge_from_dict(args.cfg_options)
    make_data(cfg)
    chains = {
        start.title: start.chain(
            args.work_dir, cfg.train_cfg.max_iters, args.cfg_options
        )
        for start in STARTS
    }
    seconds = train_chains(
        list(chains.values()), jobs=args.jobs, console=console
    )
    findings, rows = {}, []
    for title, chain in chains.items():
        run = chain[-1].run
        findings[title] = score_detector(
            cfg, run.checkpoint, run.folder / 'test', NUM_PICTURES
        )
        rows.append(
            describe_row(title, chain, findings[title].metrics, seconds)
        )
    draw_detections(findings, args.work_dir / 'detections.png')
    write_json(
        args.work_dir / 'metrics.json',
        dict(table=rows, seed=chain[-1].run.seed, mmisl=__version__),
    )
    print_table(console, rows, cfg.train_cfg.max_iters)
    console.print(
        f'see {args.work_dir}/metrics.json, detections.png, and the '
        'checkpoints in pretrain/ and finetune/'
    )


def make_data(cfg: Config) -> None:
    """Make the digits that the starts learn from, and the scenes.

    Args:
        cfg (Config): Of the detector.

    Raises:
        ValueError: If their folders hold something else.
    """
    (pretraining,) = {
        Config.fromfile(start.pretraining).data_root
        for start in STARTS
        if start.pretraining is not None
    }
    make_digits_textures(pretraining)
    make_digit_scenes(Path(cfg.data_root).parent)


def describe_row(
    title: str,
    chain: list[Job],
    metrics: dict[str, float],
    seconds: dict[Run, float | None],
) -> dict:
    """One start: its scores in percent, and what it took."""
    *before, last = chain
    curve = validation_curve(last.run, ELEVEN_POINTS)
    return dict(
        start=title,
        mAP_11_points=100 * metrics[ELEVEN_POINTS],
        mAP_area=100 * metrics[AREA],
        mAP_11_points_at={step: 100 * curve[step] for step in curve},
        pretraining_seconds=seconds[before[0].run] if before else 0.0,
        finetuning_seconds=seconds[last.run],
    )


def print_table(console: Console, rows: list[dict], num_iters: int) -> None:
    """Show mAP of every start beside the minutes it took.

    Args:
        console (Console): To print to.
        rows (list[dict]): Of :func:`describe_row`.
        num_iters (int): How long the detectors were trained.
    """
    table = Table(
        title='mAP on the test scenes (%), minutes of training',
        title_justify='left',
    )
    steps = sorted({step for row in rows for step in row['mAP_11_points_at']})
    steps = [step for step in steps if step != num_iters]
    table.add_column('detector from')
    for column in (
        *(f'at {step}' for step in steps),
        '11 points',
        'area',
        'minutes',
    ):
        table.add_column(column, justify='right')
    for row in rows:
        times = (row['pretraining_seconds'], row['finetuning_seconds'])
        table.add_row(
            row['start'],
            *(percent(row['mAP_11_points_at'].get(step)) for step in steps),
            percent(row['mAP_11_points']),
            percent(row['mAP_area']),
            ' + '.join(map(minutes, times)),
        )
    console.print(table)
    console.print(
        f'11 points after {num_iters} iterations, and before at those named; '
        'area: under the curve; minutes: pretraining + finetuning'
    )


def percent(value: float | None) -> str:
    """For the table."""
    return '-' if value is None else f'{value:.1f}'


def minutes(seconds: float | None) -> str:
    """For the table; a dash where nothing was trained or nobody knows."""
    return f'{seconds / 60:.1f}' if seconds else '-'


if __name__ == '__main__':
    run_tool(demo, parse_args())
