"""Write one page that shows what was run and what was mined.

Usage:
    python tools/report.py WORK_DIR [WORK_DIR ...] [--out report.html]
        [--max-neighbors 10] [--map tsne|umap|pca|none] [--num-views 6]
        [--detection TABLE_DIR ...] [--config CONFIG]
        [--cfg-options KEY=VALUE ...]

The page needs no network and no server. Several runs stand side by side;
runs over the same images share their thumbnails. Labels are taken from the
data set, for the page only. A run that was cut short gives a page of what
there is, which says what is missing and how to get it.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from common import (
    ConfigError,
    add_options_argument,
    load_config,
    run_tool,
)

from mmisl.report.collected_run import CollectedRun
from mmisl.report.embedding import MAP_METHODS
from mmisl.report.payload import Settings
from mmisl.report.writing import write_report
from mmisl.runs import short_names


def parse_args() -> argparse.Namespace:
    """Command line of this tool."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        'work_dirs',
        nargs='+',
        type=Path,
        metavar='WORK_DIR',
        help='folder of a run, as given to tools/train.py',
    )
    parser.add_argument(
        '--out',
        type=Path,
        help='page to write, .html (default: report.html in the first\n'
        'WORK_DIR)',
    )
    parser.add_argument('--title', help='of the page (default: the runs)')
    parser.add_argument(
        '--max-neighbors',
        type=int,
        default=10,
        metavar='K',
        help='most similar neighbours of every image (default: 10)',
    )
    parser.add_argument(
        '--map',
        choices=(*MAP_METHODS, 'none'),
        default='tsne',
        help='what places images by their features (default: tsne)',
    )
    parser.add_argument(
        '--num-views',
        type=int,
        default=6,
        help='augmented views of some images; 0 for none (default: 6)',
    )
    parser.add_argument(
        '--max-images',
        type=int,
        default=Settings.max_images,
        metavar='N',
        help='images of a data set to show; of more, some are drawn and\n'
        f'shown with their neighbours (default: {Settings.max_images})',
    )
    parser.add_argument(
        '--detection',
        nargs='+',
        type=Path,
        default=[],
        metavar='TABLE_DIR',
        help='folders that tools/run_detection_table.py has written',
    )
    parser.add_argument(
        '--config', help='config to take in place of the one of the runs'
    )
    parser.add_argument(
        '--seed',
        type=int,
        default=0,
        help='of the map and of the images that are drawn (default: 0)',
    )
    add_options_argument(parser)
    return parser.parse_args()


def report(args: argparse.Namespace) -> None:
    """Write the page as the command line says."""
    start = time.perf_counter()
    check_arguments(args)
    out = args.out or args.work_dirs[0] / 'report.html'
    runs = write_report(
        args.work_dirs,
        out,
        settings=Settings(
            map_method=args.map,
            num_views=args.num_views,
            max_images=args.max_images,
            seed=args.seed,
        ),
        title=args.title,
        max_neighbors=args.max_neighbors,
        detection=args.detection,
        config=load_config(args) if args.config else None,
        overrides=args.cfg_options,
    )
    print_warnings(short_names(args.work_dirs), runs)
    print(
        f'{out}: {out.stat().st_size / 1e6:.1f} MB, '
        f'{time.perf_counter() - start:.0f} s'
    )


def check_arguments(args: argparse.Namespace) -> None:
    """Refuse what cannot be shown, before anything is read.

    Raises:
        ConfigError: If an argument is out of range.
    """
    if args.out is not None and args.out.suffix not in ('.html', '.htm'):
        raise ConfigError(f'--out ({args.out}) must end with .html')
    least = {'max_neighbors': 1, 'num_views': 0, 'max_images': 2, 'seed': 0}
    for name, minimum in least.items():
        value = getattr(args, name)
        if value < minimum:
            option = name.replace('_', '-')
            raise ConfigError(f'--{option} ({value}) must be >= {minimum}')


def print_warnings(names: list[str], runs: list[CollectedRun]) -> None:
    """What is missing, a line each."""
    for name, run in zip(names, runs):
        for text in run.warnings:
            print(f'warning: {name}: {text}', file=sys.stderr)


if __name__ == '__main__':
    run_tool(report, parse_args())
