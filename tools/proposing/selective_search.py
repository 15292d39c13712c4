"""Proposals of selective search, as for R-CNN and Fast R-CNN.

It is OpenCV's, in an environment of its own: `make proposals-env` makes it.
What is finished is kept in OUT.partial: started again after it was stopped,
in whatever way, the tool goes on and writes the same file.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from common import add_traceback_argument

from mmisl.detection import check_proposals, write_proposals
from mmisl.progress import Bar

from .outputs import add_limit, check_out, positive, show_numbers
from .search_journal import SearchJournal
from .search_process import PYTHON, find_opencv
from .search_workers import search_images
from .searched_boxes import as_proposals, keep_boxes
from .voc_split import VOCSplit, find_split

HELP = 'search images with OpenCV'
MODES = ('fast', 'quality')
# Of R-CNN.
MIN_SIDE = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this source of proposals."""
    parser.add_argument('data_root', type=Path, help='VOCdevkit')
    parser.add_argument('split', help='such as trainval or test')
    parser.add_argument('out', type=Path, help='file to write, .pkl')
    parser.add_argument(
        '--mode',
        choices=MODES,
        default='fast',
        help='fast, as R-CNN used it, or quality: more boxes, of more colour\n'
        'spaces and scales, in more time (default: fast)',
    )
    parser.add_argument(
        '--workers',
        type=positive,
        default=os.cpu_count(),
        help='processes that search (default: one for each core)',
    )
    add_limit(parser)
    parser.add_argument(
        '--min-side',
        type=positive,
        default=MIN_SIDE,
        help='pixels that a box must be wide and high\n'
        f'(default: {MIN_SIDE}, as in R-CNN)',
    )
    parser.add_argument(
        '--python',
        type=Path,
        default=PYTHON,
        help='interpreter whose OpenCV has ximgproc (default: that of\n'
        '`make proposals-env`)',
    )
    add_traceback_argument(parser)


def run(args: argparse.Namespace) -> None:
    """Search the images of a split, or those that are left."""
    check_out(args.out)
    split = find_split(args.data_root, args.split)
    settings = {
        'split': split.name,
        '--mode': args.mode,
        '--max-proposals': args.max_proposals,
        '--min-side': args.min_side,
        'OpenCV': find_opencv(args.python),
    }
    partial = args.out.with_name(f'{args.out.name}.partial')
    with SearchJournal(partial, settings) as journal:
        _search_rest(split, journal, args)
        check_proposals(journal.boxes, split.images, partial)
        proposals = {
            key: as_proposals(journal.boxes[key]) for key in split.images
        }
        write_proposals(args.out, proposals)
        partial.unlink()
    show_numbers(proposals, args.out)


def _search_rest(
    split: VOCSplit, journal: SearchJournal, args: argparse.Namespace
) -> None:
    """Search the images that the journal lacks."""
    left = {
        key: path
        for key, path in split.images.items()
        if key not in journal.boxes
    }
    done = len(split.images) - len(left)
    with Bar('selective search', len(split.images), completed=done) as bar:
        found = search_images(
            left, python=args.python, mode=args.mode, workers=args.workers
        )
        for key, rects in found:
            boxes = keep_boxes(rects, args.min_side, args.max_proposals)
            journal.add(key, boxes)
            bar.advance()
