"""Bring a backbone from one toolbox to another, whole or not at all.

Usage:
    python tools/convert_backbone.py CHECKPOINT OUT --to TARGET
        [--from SOURCE] [--channel-order rgb|bgr --mean R G B --std R G B]

The way out, for a checkpoint of mmisl: --to mmdet, mmpretrain, torchvision,
timm or detectron2. The way in, for one of torchvision, timm, MoCo's authors,
mmselfsup or mmpretrain: --to mmisl. What the weights were trained on (order
of colours, mean, std) is stored with them. See docs/checkpoints.md.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from common import add_traceback_argument, run_tool

from mmisl import __version__
from mmisl.weights import (
    SOURCES,
    TARGETS,
    Backbone,
    Preprocessing,
    read_checkpoint,
    take_backbone,
    write_backbone,
)


def parse_args() -> argparse.Namespace:
    """Command line of this tool."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument('checkpoint', type=Path, help='checkpoint file')
    parser.add_argument('out', type=Path, help='file to write')
    parser.add_argument(
        '--to', choices=TARGETS, required=True, help='who is to read it'
    )
    parser.add_argument(
        '--from',
        dest='source',
        choices=('auto', *SOURCES),
        default='auto',
        help='who wrote it (default: auto, told by its keys)',
    )
    parser.add_argument(
        '--channel-order',
        choices=('rgb', 'bgr'),
        help='order in which the weights were trained, where the checkpoint\n'
        'does not say',
    )
    for name in ('mean', 'std'):
        parser.add_argument(
            f'--{name}',
            type=float,
            nargs=3,
            metavar=('C1', 'C2', 'C3'),
            help=f'{name} of the channels in that order, in 0..255',
        )
    add_traceback_argument(parser)
    return parser.parse_args()


def convert(args: argparse.Namespace) -> None:
    """Convert as the command line says.

    Raises:
        ValueError: If OUT is CHECKPOINT, or anything does not fit.
    """
    if args.out.resolve() == args.checkpoint.resolve():
        raise ValueError(
            f'OUT ({args.out}) is the checkpoint itself; name another file'
        )
    backbone = take_backbone(read_checkpoint(args.checkpoint), args.source)
    backbone = with_preprocessing(backbone, args)
    write_backbone(
        backbone,
        args.out,
        target=args.to,
        meta=dict(mmisl=__version__, checkpoint=args.checkpoint.name),
    )
    report(backbone, args)


def with_preprocessing(
    backbone: Backbone, args: argparse.Namespace
) -> Backbone:
    """The backbone, with what the command line says it was trained on.

    Raises:
        ValueError: If only a part is said, or it is another than the
            checkpoint says.
    """
    given = (args.channel_order, args.mean, args.std)
    if given == (None, None, None):
        return backbone
    if None in given:
        raise ValueError(
            '--channel-order, --mean and --std belong together; give all '
            'three or none'
        )
    said = Preprocessing(*given)
    if backbone.source == 'mmisl' and backbone.preprocessing not in (
        None,
        said,
    ):
        raise ValueError(
            f'{args.checkpoint} says that it was trained on '
            f'{backbone.preprocessing}, the command line {said}; leave '
            '--channel-order, --mean and --std out'
        )
    return dataclasses.replace(backbone, preprocessing=said)


def report(backbone: Backbone, args: argparse.Namespace) -> None:
    """Print what became of every key."""
    print(
        f'{len(backbone.state)} keys of the backbone, as {backbone.source} '
        f'writes them, for {args.to}: {args.out}'
    )
    if backbone.dropped:
        parts = [f'{name} ({num})' for name, num in backbone.dropped.items()]
        print(f'left out, with their number of keys: {", ".join(parts)}')
    if backbone.filled:
        print(f'added {backbone.filled} BN counters that the file lacks, as 0')
    print(f'trained on {backbone.preprocessing}')


if __name__ == '__main__':
    run_tool(convert, parse_args())
