"""Train methods with one budget, score them alike, and write one table.

Usage:
    python tools/compare_methods.py CONFIG [CONFIG ...] --seeds 0 1 2
        [--work-dir DIR] [--jobs 2] [--share-first-round] [--minutes M]
        [--out docs/results.md]
        [--save results/NAME.json --title TITLE [--keep]]

Every config is trained with every seed by tools/train.py, in a folder of its
own below the work dir. A run that was cut short goes on where it stopped, and
one that is finished is not repeated: the same command may be given again
until it ends. Configs must agree in images, epochs, batch size, backbone and
kNN settings, word by word: of those that do not, bring what differs into line
with --cfg-options or a config of your own. Augmentation may differ, as some
methods need two views, and so may the batch norm.

With --share-first-round methods that train the same until their first
mining, as NPID, ISL and Local Aggregation do, train that part once a seed,
and end bit by bit as they would have without. With --minutes the command
stops in time, and goes on when it is given again.

Scores are of the last checkpoint, never of the best:
weighted kNN on features of the neck and of the backbone, and a linear probe
on the latter.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from common import add_options_argument, run_tool
from comparison.budget import read_configs
from comparison.history import describe_run
from comparison.inputs import check_inputs
from comparison.processes import Stretch
from comparison.results_file import results_document
from comparison.runs import Run
from comparison.scores import (
    PIXELS,
    UNTRAINED,
    score_baselines,
    score_run,
)
from comparison.sharing import FirstRound, plan_first_rounds, shared_rounds
from comparison.table import describe_results, write_block
from comparison.training import train_all
from files import replace_text, write_json
from mmengine.config import Config
from mmengine.registry import DefaultScope
from saved_results import check_save, keep_runs


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Command line of this tool."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument(
        'configs', nargs='+', type=Path, help='config files, one a method'
    )
    parser.add_argument(
        '--seeds',
        nargs='+',
        type=int,
        default=[0, 1, 2],
        help='seeds of every method (default: 0 1 2)',
    )
    parser.add_argument(
        '--work-dir',
        type=Path,
        default=Path('work_dirs/compare'),
        help='folder of all runs (default: work_dirs/compare)',
    )
    parser.add_argument(
        '--out', type=Path, help='Markdown file to write the table to'
    )
    parser.add_argument(
        '--jobs',
        type=int,
        default=1,
        help='runs at a time, each on its share of the cores (default: 1)',
    )
    parser.add_argument(
        '--share-first-round',
        action='store_true',
        help='train once what methods train alike before their first mining',
    )
    parser.add_argument(
        '--minutes',
        type=float,
        metavar='M',
        help='begin nothing after so many minutes, and stop what trains then',
    )
    parser.add_argument(
        '--save',
        type=Path,
        metavar='FILE',
        help='JSON file to write all numbers to; refused where it has runs\n'
        'that are not finished here, unless --keep leaves them in it',
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


def compare(args: argparse.Namespace) -> None:
    """Train, score and write, as the command line says.

    Raises:
        ConfigError: If the configs have no budget in common, a method misses
            a file, or one would be written over.
        RuntimeError: If a run failed; the table has all others.
        ValueError: If an argument is out of range.
    """
    check_arguments(args)
    stretch = Stretch(args.minutes)
    configs = read_configs(args.configs, args.cfg_options)
    DefaultScope.get_instance('compare_methods', scope_name='mmisl')
    runs = [
        Run(path, seed, args.work_dir / path.stem / f'seed{seed}')
        for seed in args.seeds
        for path in configs
    ]
    if args.save is not None:
        check_save(
            args.save,
            runs,
            kind='methods',
            keep=args.keep,
            baselines=(PIXELS, UNTRAINED),
        )
    check_inputs(runs, configs)
    first_rounds = first_rounds_of(runs, configs, args)
    failed = train_all(
        runs,
        configs,
        score=score_run,
        options=args.cfg_options,
        jobs=args.jobs,
        first_rounds=first_rounds,
        stretch=stretch,
    )
    baselines = score_baselines(
        configs[args.configs[0]],
        args.seeds,
        args.work_dir / 'baselines',
        stretch,
    )
    finished = [run for run in runs if run.result.is_file()]
    batch_size = configs[args.configs[0]].train_dataloader.batch_size
    results = baselines + [
        describe_run(run, first_rounds.get(run), batch_size=batch_size)
        for run in finished
    ]
    if finished:
        write_results(args, results, configs)
    if failed:
        names = ', '.join(f'{run.name} (seed {run.seed})' for run in failed)
        raise RuntimeError(
            f'{len(failed)} of {len(runs)} runs failed: {names}; see '
            f'{failed[0].log}, then give the same command again: finished '
            'runs are kept'
        )
    num_baselines = 1 + len(args.seeds)
    if len(finished) < len(runs) or len(baselines) < num_baselines:
        print(
            f'stopped after {args.minutes:g} minutes: {len(finished)} of '
            f'{len(runs)} runs and {len(baselines)} of {num_baselines} '
            'baselines are finished; the same command goes on'
        )
    else:
        print(f'all {len(runs)} runs are finished')


def check_arguments(args: argparse.Namespace) -> None:
    """Refuse what makes no sense, before anything is read.

    Raises:
        ValueError: If a number is out of range, a seed given twice, or a
            title has no file.
    """
    if args.minutes is not None and not args.minutes >= 0:
        raise ValueError(
            f'--minutes ({args.minutes:g}) must not be negative; leave it '
            'out to go on to the end'
        )
    if args.jobs < 1:
        raise ValueError(f'--jobs ({args.jobs}) must be at least 1')
    if len(set(args.seeds)) < len(args.seeds):
        raise ValueError(
            f'--seeds must differ, got {" ".join(map(str, args.seeds))}'
        )
    if args.title is not None and args.save is None:
        raise ValueError(
            '--title names the numbers of a file; name that with --save'
        )
    if args.keep and args.save is None:
        raise ValueError(
            '--keep is about the runs of a file; name that with --save'
        )


def first_rounds_of(
    runs: Sequence[Run],
    configs: Mapping[Path, Config],
    args: argparse.Namespace,
) -> dict[Run, FirstRound]:
    """What runs go on from, if they are to share it; says so."""
    if not args.share_first_round:
        return {}
    shared = shared_rounds(configs)
    for group in shared:
        print(group.describe(args.work_dir), flush=True)
    if not shared:
        print('no two methods have a first round in common', flush=True)
    return plan_first_rounds(shared, runs, args.work_dir)


def write_results(
    args: argparse.Namespace,
    results: list[dict[str, Any]],
    configs: dict[Path, Config],
) -> None:
    """Write and print what is finished."""
    command = command_line(args)
    text = describe_results(results, configs, command=command)
    write_json(args.work_dir / 'results.json', results)
    replace_text(args.work_dir / 'table.md', text)
    if args.out is not None:
        write_block(args.out, text)
    if args.save is not None:
        document = results_document(
            results,
            configs,
            title=args.title or args.save.stem,
            command=command,
            work_dir=args.work_dir,
        )
        if args.keep:
            document = keep_runs(args.save, document, seedless=[PIXELS])
        write_json(args.save, document)
    print(text)


def command_line(args: argparse.Namespace) -> str:
    """The command that makes this table, in however many stretches."""
    words = ['python', 'tools/compare_methods.py', *map(str, args.configs)]
    words += ['--seeds', *map(str, args.seeds)]
    words += ['--work-dir', str(args.work_dir), '--jobs', str(args.jobs)]
    if args.share_first_round:
        words.append('--share-first-round')
    for option in ('out', 'save', 'title'):
        value = getattr(args, option)
        if value is not None:
            words += [f'--{option}', str(value)]
    if args.keep:
        words.append('--keep')
    if args.cfg_options:
        pairs = [f'{k}={v}' for k, v in args.cfg_options.items()]
        words += ['--cfg-options', *pairs]
    return shlex.join(words)


if __name__ == '__main__':
    run_tool(compare, parse_args())
