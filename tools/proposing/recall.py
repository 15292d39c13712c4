"""How many objects proposals find, against how many there are of them.

An object is found at an IoU when a box reaches it, with VOC's pixels, whose
last row and column count. Boxes are taken in the order of the file. Objects
that are marked difficult are left out, as VOC does.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from common import add_traceback_argument
from rich.console import Console
from rich.table import Table

from mmisl.detection import check_proposals, read_proposals

from .recall_curve import RecallCurve, measure_recall
from .recall_plot import draw_recall
from .voc_objects import read_objects
from .voc_split import find_split

HELP = 'report recall at IoU 0.5 and 0.7 against proposals per image'
IOUS = (0.5, 0.7)
COUNTS = (10, 50, 100, 200, 300, 500, 1000, 2000)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this report."""
    parser.add_argument('data_root', type=Path, help='VOCdevkit')
    parser.add_argument('split', help='such as trainval or test')
    parser.add_argument('file', type=Path, help='file of proposals, .pkl')
    parser.add_argument(
        '--out', type=Path, required=True, help='plot to write, .png'
    )
    add_traceback_argument(parser)


def run(args: argparse.Namespace) -> None:
    """Print the recall of a file of proposals and draw it.

    Raises:
        ValueError: If ``--out`` is no ``.png``.
    """
    if args.out.suffix != '.png':
        raise ValueError(f'--out ({args.out}) must end with .png')
    split = find_split(args.data_root, args.split)
    proposals = read_proposals(args.file)
    check_proposals(proposals, split.images, args.file)
    objects = read_objects(split)
    bboxes = {key: proposals[key]['bboxes'] for key in split.images}
    curve = measure_recall(objects, bboxes, _counts(bboxes), IOUS)
    name = f'{args.file.stem} on {split.folder.name} {split.name}'
    _show(curve, name)
    draw_recall(curve, path=args.out, title=name)
    print(f'The plot is in {args.out}.')


def _counts(bboxes: dict) -> list[int]:
    """Numbers of proposals to report on: round ones and the largest."""
    most = max(map(len, bboxes.values()))
    return [count for count in COUNTS if count < most] + [most]


def _show(curve: RecallCurve, title: str) -> None:
    table = Table(
        title=f'{title}: recall of {curve.num_objects} objects in '
        f'{curve.num_images} images'
    )
    table.add_column('proposals per image, at most', justify='right')
    table.add_column('in the mean', justify='right')
    for iou in curve.ious:
        table.add_column(f'at IoU {iou}', justify='right')
    for count, mean, recalls in zip(curve.counts, curve.means, curve.recalls):
        cells = [f'{recall:.1%}' for recall in recalls]
        table.add_row(str(count), f'{mean:.0f}', *cells)
    Console().print(table)
