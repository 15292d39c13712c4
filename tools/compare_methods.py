"""Train methods with one budget, score them alike, and write one table.

Usage:
    python tools/compare_methods.py CONFIG [CONFIG ...] --seeds 0 1 2
        [--work-dir DIR] [--jobs 2] [--out docs/results.md]

Every config is trained with every seed by tools/train.py, in a folder of its
own below the work dir. A run that was cut short goes on where it stopped, and
one that is finished is not repeated: the same command may be given again
until it ends. Configs must agree in images, epochs, batch size, backbone and
kNN settings, word by word: of those that do not, bring what differs into line
with --cfg-options or a config of your own. Augmentation may differ, as some
methods need two views. Scores are of the last checkpoint, never of the best:
weighted kNN on features of the neck and of the backbone, and a linear probe
on the latter.
"""

from __future__ import annotations

import argparse
import json
import shlex
from pathlib import Path

from common import add_options_argument, run_tool
from comparison.budget import read_configs
from comparison.runs import Run, train_all
from comparison.scores import score_baselines, score_run
from comparison.table import describe_results, replace_block
from files import replace_text, write_json
from mmengine.registry import DefaultScope


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
    add_options_argument(parser)
    return parser.parse_args(argv)


def compare(args: argparse.Namespace) -> None:
    """Train, score and write, as the command line says.

    Raises:
        ConfigError: If the configs have no budget in common.
        RuntimeError: If a run failed; the table has all others.
    """
    configs = read_configs(args.configs, args.cfg_options)
    DefaultScope.get_instance('compare_methods', scope_name='mmisl')
    runs = [
        Run(path, seed, args.work_dir / path.stem / f'seed{seed}')
        for seed in args.seeds
        for path in configs
    ]
    failed = train_all(
        runs,
        configs,
        score=score_run,
        options=args.cfg_options,
        jobs=args.jobs,
    )
    first = configs[args.configs[0]]
    results = score_baselines(first, args.seeds)
    for run in runs:
        if run.result.is_file():
            results.append(json.loads(run.result.read_text()))
    text = describe_results(results, configs, command=command_line(args))
    write_json(args.work_dir / 'results.json', results)
    replace_text(args.work_dir / 'table.md', text)
    if args.out is not None:
        replace_block(args.out, text)
    print(text)
    if failed:
        names = ', '.join(f'{run.name} (seed {run.seed})' for run in failed)
        raise RuntimeError(
            f'{len(failed)} of {len(runs)} runs failed: {names}; see '
            f'{failed[0].log}, then give the same command again: finished '
            'runs are kept'
        )


def command_line(args: argparse.Namespace) -> str:
    """The command that makes this table."""
    words = ['python', 'tools/compare_methods.py', *map(str, args.configs)]
    words += ['--seeds', *map(str, args.seeds)]
    words += ['--work-dir', str(args.work_dir), '--jobs', str(args.jobs)]
    if args.out is not None:
        words += ['--out', str(args.out)]
    if args.cfg_options:
        pairs = [f'{k}={v}' for k, v in args.cfg_options.items()]
        words += ['--cfg-options', *pairs]
    return shlex.join(words)


if __name__ == '__main__':
    run_tool(compare, parse_args())
