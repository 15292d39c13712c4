"""Draw what runs on the same images have mined, and say what it is worth.

Usage:
    python tools/visualize_positives.py RUN RUN [RUN ...] --out DIR
        [--num-anchors N | --anchors I J ...] [--seed S] [--rounds R ...]
        [--max-neighbors M] [--control] [--names NAME NAME ...]

RUN is the work dir of a run. DIR gets, as PNG and as PDF,
`positives_round_RRR`: anchors with the positives of each run, right ones
framed green, wrong ones red; `positives_overview`: some anchors over the
rounds; and `numbers`: curves. `numbers.json` and `numbers.md` hold the same
numbers for every round and run, with those of plain nearest neighbours.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import numpy as np
from common import add_options_argument, run_tool
from files import replace_text, write_json
from positives.anchors import check_anchors, choose_anchors
from positives.images import SmallImages, known_class_names, open_images
from positives.numbers import as_json, measure
from positives.pictures import (
    collect_positives,
    draw_numbers,
    draw_rounds,
)
from positives.runs import MiningRun, match_rounds, read_runs
from positives.table import CONTROL, markdown, print_table
from rich.console import Console

from mmisl import __version__
from mmisl.evaluation import PixelDistances, edge_numbers
from mmisl.report.run_images import RunImages
from mmisl.visualization import missing_characters

# Reading more images than that would take the longer part of an hour, so few
# edges are compared by pixels then.
_MANY_IMAGES = 100_000
_PIXEL_EDGES = {False: 1_000_000, True: 5_000}
_MAX_ANCHORS = 100
_MAX_NEIGHBORS = 50


def parse_args() -> argparse.Namespace:
    """Command line of this tool."""
    parser = argparse.ArgumentParser(
        # argparse has no way to ask for at least two.
        usage='%(prog)s RUN RUN [RUN ...] --out DIR [options]',
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument(
        'runs',
        nargs='+',
        type=Path,
        metavar='RUN',
        help='work dirs of two or more runs',
    )
    parser.add_argument(
        '--out', type=Path, required=True, help='folder to write'
    )
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument(
        '--anchors',
        nargs='+',
        type=int,
        metavar='I',
        help='numbers of the images to show the positives of, from 0',
    )
    chosen.add_argument(
        '--num-anchors',
        type=int,
        default=8,
        metavar='N',
        help='draw so many at random, one of each class in turn (default: 8)',
    )
    parser.add_argument(
        '--seed', type=int, default=0, help='of the draws (default: 0)'
    )
    parser.add_argument(
        '--rounds',
        nargs='+',
        type=int,
        metavar='R',
        help='rounds to draw, as the run with the fewest counts them\n'
        '(default: all)',
    )
    parser.add_argument(
        '--max-neighbors',
        type=int,
        default=8,
        metavar='M',
        help='positives to draw of an anchor, the most similar first\n'
        '(default: 8)',
    )
    parser.add_argument(
        '--control',
        action='store_true',
        help='draw plain nearest neighbours below each run',
    )
    parser.add_argument(
        '--names',
        nargs='+',
        metavar='NAME',
        help='what to call the runs (default: their folders)',
    )
    parser.add_argument(
        '--pixel-edges',
        type=int,
        metavar='E',
        help='edges of a round whose images are compared by pixels, drawn at\n'
        'random if there are more; 0 for none (default: 1,000,000, or 5,000\n'
        'of more than 100,000 images, which take long to read)',
    )
    add_options_argument(parser)
    return parser.parse_args()


def visualize(args: argparse.Namespace) -> None:
    """Draw and count as the command line says.

    Raises:
        ValueError: If an argument is out of range, or the runs do not go
            together.
    """
    check_arguments(args)
    runs = read_runs(args.runs, args.names, args.cfg_options)
    matched = match_rounds(runs, args.rounds)
    images = open_images(runs)
    anchors = anchors_of(args, runs, images)
    max_edges = args.pixel_edges
    if max_edges is None:
        max_edges = _PIXEL_EDGES[len(images) > _MANY_IMAGES]
    distances = None
    if max_edges:
        distances = PixelDistances(SmallImages(images), seed=args.seed)
    numbers = measure(
        runs,
        matched,
        partial(
            edge_numbers,
            labels=images.labels,
            pixel_distance=distances,
            max_pixel_edges=max(max_edges, 1),
            seed=args.seed,
        ),
    )
    rounds = collect_positives(
        runs,
        matched,
        numbers,
        anchors=anchors,
        max_neighbors=args.max_neighbors,
        with_control=args.control,
    )
    files = draw_rounds(
        args.out,
        images,
        rounds,
        anchors=anchors,
        max_neighbors=args.max_neighbors,
    )
    files += draw_numbers(
        args.out, numbers, control=f'{CONTROL}, as many edges'
    )
    write_json(
        args.out / 'numbers.json',
        dict(
            runs={run.name: str(p) for run, p in zip(runs, args.runs)},
            anchors=anchors,
            seed=args.seed,
            num_images=len(images),
            far_above=None if distances is None else distances.median,
            rounds=as_json(numbers),
            mmisl=__version__,
        ),
    )
    replace_text(args.out / 'numbers.md', markdown(numbers))
    console = Console()
    print_table(console, numbers)
    names = [path.name for path in files] + ['numbers.json', 'numbers.md']
    print(f'{args.out}: {", ".join(names)}')
    unseen = missing_characters(
        [run.name for run in runs] + (known_class_names(images) or [])
    )
    if unseen:
        print(
            f'No installed font has {unseen}: boxes stand in their place. '
            'Install a font for them, such as fonts-noto-cjk.'
        )


def check_arguments(args: argparse.Namespace) -> None:
    """Refuse numbers that no picture has room for.

    Raises:
        ValueError: If one is out of range, or OUT is a file.
    """
    for name, value, most in (
        ('--max-neighbors', args.max_neighbors, _MAX_NEIGHBORS),
        ('--num-anchors', args.num_anchors, _MAX_ANCHORS),
        ('number of --anchors', len(args.anchors or [0]), _MAX_ANCHORS),
    ):
        if not 1 <= value <= most:
            raise ValueError(f'{name} ({value}) must be in [1, {most}]')
    if args.pixel_edges is not None and args.pixel_edges < 0:
        raise ValueError(
            f'--pixel-edges ({args.pixel_edges}) must not be negative'
        )
    if args.out.exists() and not args.out.is_dir():
        raise ValueError(f'--out {args.out} is a file; name a folder')


def anchors_of(
    args: argparse.Namespace, runs: list[MiningRun], images: RunImages
) -> list[int]:
    """Anchors that are named, or drawn among what all runs have mined.

    Raises:
        ValueError: If one is no image, or more are wanted than there are.
    """
    if args.anchors is not None:
        return check_anchors(args.anchors, len(images))
    degrees = [run.moments[-1].load().edges.degrees for run in runs]
    return choose_anchors(
        args.num_anchors,
        has_neighbors=np.all([degree > 0 for degree in degrees], axis=0),
        labels=images.labels,
        seed=args.seed,
    )


if __name__ == '__main__':
    run_tool(visualize, parse_args())
