"""Finetune detectors from several checkpoints, and write one table.

Usage:
    python tools/run_detection_table.py [CELLS.json]
        [--cell NAME=CONFIG:CHECKPOINT[:ROW/COLUMN] ...]
        --seeds 1 2 3 [--launcher-gpus N] --out DIR
        [--save results/NAME.json --title TITLE [--keep]]

A cell is a detector and the checkpoint it starts from (none: random weights);
ROW/COLUMN is its place in the supplement's table, such as ISL/R50-Faster,
whose number then stands beside it. CELLS.json is a list of objects with name,
config, checkpoint and, if there is one, published. Everything is checked
before anything is trained. Then every cell is trained with every seed by
tools/train.py, in DIR/NAME/seedS. A run that was cut short goes on where it
stopped, and one that is finished is not repeated: the same command may be
given again until it ends. DIR/results.json and DIR/table.md have AP50 by the
11 points of VOC2007 and by area, of the last checkpoint, never of the best.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mmengine
import torch
from common import add_options_argument, run_tool
from detection_table.cells import Cell, read_cells
from detection_table.checks import batch_note, read_detector, refuse
from detection_table.results_file import detection_document
from detection_table.runs import CellRun, claim, settings_of, train
from detection_table.scores import check_metrics, scores_of
from detection_table.table import (
    as_markdown,
    as_rich,
    make_rows,
    summarise,
)
from files import replace_text, write_json
from mmengine.config import Config
from rich.console import Console
from saved_results import check_save, keep_runs

from mmisl import __version__
from mmisl.progress import track


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Command line of this tool."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument(
        'cells', nargs='?', type=Path, help='JSON file that lists cells'
    )
    parser.add_argument(
        '--cell',
        action='append',
        default=[],
        metavar='NAME=CONFIG:CHECKPOINT[:ROW/COLUMN]',
        help='one more cell; may be given again',
    )
    parser.add_argument(
        '--seeds',
        nargs='+',
        type=int,
        default=[1, 2, 3],
        help='seeds of every cell (default: 1 2 3)',
    )
    parser.add_argument(
        '--launcher-gpus',
        type=int,
        default=1,
        metavar='N',
        help='processes of a run, on a GPU each, or on CPUs (default: 1)',
    )
    parser.add_argument(
        '--out', type=Path, required=True, help='folder of runs and table'
    )
    parser.add_argument(
        '--save',
        type=Path,
        metavar='FILE',
        help='JSON file to write all numbers to, as results/README.md says;\n'
        'refused where it has runs that are not finished here, unless --keep\n'
        'leaves them in it',
    )
    parser.add_argument(
        '--title',
        help='what the numbers in that file are called (default: its name)',
    )
    parser.add_argument(
        '--keep',
        action='store_true',
        help='leave in that file the runs that are not finished here, such\n'
        'as those of another machine',
    )
    add_options_argument(parser)
    return parser.parse_args(argv)


def run_table(args: argparse.Namespace) -> None:
    """Train, score and write, as the command line says.

    Raises:
        ConfigError: If a cell or config has a slip, or a folder holds
            another run.
        RuntimeError: If a run failed; the table has all others.
        SystemExit: If a checkpoint does not fit its detector.
        ValueError: If an argument is out of range.
    """
    check_args(args)
    cells = read_cells(args.cells, args.cell)
    configs = {
        cell.name: read_detector(
            cell.config, args.cfg_options, cell.checkpoint
        )
        for cell in cells
    }
    check_cells(cells, configs, args.launcher_gpus)
    runs = [
        CellRun(
            Path(cell.config),
            seed,
            args.out / cell.name / f'seed{seed}',
            cell,
            args.cfg_options,
        )
        for seed in args.seeds
        for cell in cells
    ]
    if args.save is not None:
        check_save(args.save, runs, kind='detectors', keep=args.keep)
    for run in runs:
        settings = settings_of(
            run, configs[run.name], processes=args.launcher_gpus
        )
        claim(run, settings)
    failed = run_all(runs, configs, args.launcher_gpus)
    finished = [run for run in runs if run.result.is_file()]
    results = [json.loads(run.result.read_text()) for run in finished]
    write_table(args, cells, results)
    if args.save is not None and finished:
        document = detection_document(
            finished,
            configs,
            title=args.title or args.save.stem,
            command=command_line(args),
        )
        if args.keep:
            document = keep_runs(args.save, document)
        write_json(args.save, document)
    if failed:
        names = ', '.join(f'{run.name} (seed {run.seed})' for run in failed)
        raise RuntimeError(
            f'{len(failed)} of {len(runs)} runs failed: {names}; see '
            f'{failed[0].log}, then give the same command again: finished '
            'runs are kept'
        )


def check_args(args: argparse.Namespace) -> None:
    """Insist on numbers that can be.

    Raises:
        ValueError: If one cannot.
    """
    if args.launcher_gpus < 1:
        raise ValueError(
            f'--launcher-gpus must be at least 1, got {args.launcher_gpus}'
        )
    if len(set(args.seeds)) < len(args.seeds):
        raise ValueError(
            'each of --seeds is a run of its own and must be another number, '
            f'got {" ".join(map(str, args.seeds))}'
        )
    if args.title is not None and args.save is None:
        raise ValueError(
            '--title names the numbers of a file; name that with --save'
        )
    if args.keep and args.save is None:
        raise ValueError(
            '--keep is about the runs of a file; name that with --save'
        )


def check_cells(
    cells: Sequence[Cell], configs: dict[str, Config], processes: int
) -> None:
    """Refuse, with one list, whatever would fail or not be comparable.

    Raises:
        ConfigError: If a config lacks a metric.
        SystemExit: If a checkpoint does not fit its detector.
    """
    # Needs the compiled ops that reading the configs has looked for.
    from mmisl.detection import check_pretrained

    complaints = []
    for cell in cells:
        check_metrics(configs[cell.name], cell.config)
        found = check_pretrained(configs[cell.name], num_processes=processes)
        complaints += [f'{cell.name}: {complaint}' for complaint in found]
    if complaints:
        refuse('these cells do not fit their start', complaints)
    for cell in cells:
        if note := batch_note(configs[cell.name], processes):
            print(f'{cell.name}: {note}', flush=True)


def run_all(
    runs: Sequence[CellRun], configs: dict[str, Config], processes: int
) -> list[CellRun]:
    """Train and score what is not finished yet, one after the other.

    Returns:
        list[CellRun]: Those that failed.
    """
    failed = []
    for run in track(runs, 'runs'):
        if run.result.is_file():
            continue
        seconds, status = train(run, configs[run.name], processes=processes)
        if status:
            failed.append(run)
            continue
        result = dict(
            cell=run.name,
            config=run.cell.config,
            checkpoint=run.cell.checkpoint,
            seed=run.seed,
            **scores_of(run, configs[run.name]),
            seconds=None if seconds is None else round(seconds, 1),
            commit=run.commit.read_text(),
            versions=versions(),
            settings=json.loads(run.record.read_text()),
        )
        write_json(run.result, result)
        print(
            f'{run.name}, seed {run.seed}: AP50 {result["voc07"]:.1f} by '
            f'11 points, {result["area"]:.1f} by area',
            flush=True,
        )
    return failed


def versions() -> dict[str, str]:
    """What a run was made with."""
    import mmcv
    import mmdet

    return dict(
        mmisl=__version__,
        torch=torch.__version__,
        mmengine=mmengine.__version__,
        mmcv=mmcv.__version__,
        mmdet=mmdet.__version__,
        Python=platform.python_version(),
        device=torch.cuda.get_device_name()
        if torch.cuda.is_available()
        else f'{os.cpu_count()} cores',
    )


def write_table(
    args: argparse.Namespace,
    cells: Sequence[Cell],
    results: Sequence[dict[str, Any]],
) -> None:
    """Write the table as JSON and Markdown, and print it."""
    command = command_line(args)
    rows = make_rows(cells, results)
    write_json(
        args.out / 'results.json',
        dict(
            command=command,
            cells=summarise(cells, results),
            runs=list(results),
        ),
    )
    replace_text(
        args.out / 'table.md', as_markdown(rows, results, command=command)
    )
    Console().print(as_rich(rows))


def command_line(args: argparse.Namespace) -> str:
    """The command that makes this table."""
    words = ['python', 'tools/run_detection_table.py']
    words += [] if args.cells is None else [str(args.cells)]
    for text in args.cell:
        words += ['--cell', text]
    words += ['--seeds', *map(str, args.seeds)]
    words += ['--launcher-gpus', str(args.launcher_gpus)]
    words += ['--out', str(args.out)]
    for option in ('save', 'title'):
        value = getattr(args, option)
        if value is not None:
            words += [f'--{option}', str(value)]
    if args.keep:
        words.append('--keep')
    if args.cfg_options:
        pairs = [f'{key}={value}' for key, value in args.cfg_options.items()]
        words += ['--cfg-options', *pairs]
    return shlex.join(words)


if __name__ == '__main__':
    run_tool(run_table, parse_args())
