"""Compare a detector with the checkpoint that it is to start from.

Usage:
    python tools/check_detection.py CONFIG [CHECKPOINT]
        [--processes N] [--cfg-options KEY=VALUE ...]

Prints all that does not fit, one line each, and exits with 1; or what would
be loaded. Nothing is trained.
"""

from __future__ import annotations

import argparse

from common import make_parser, run_tool
from detection_table.cells import RANDOM
from detection_table.checks import batch_note, read_detector, refuse


def parse_args() -> argparse.Namespace:
    """Command line of this tool."""
    parser = make_parser(__doc__)
    parser.add_argument(
        'checkpoint',
        nargs='?',
        help='checkpoint of a pretraining, in place of '
        f'model.init_cfg.checkpoint;\n{RANDOM!r}: random weights',
    )
    parser.add_argument(
        '--processes',
        type=int,
        help='that will train the detector (default: 1, and nothing is said '
        'of\nthe batch)',
    )
    return parser.parse_args()


def check(args: argparse.Namespace) -> None:
    """Compare as the command line says.

    Raises:
        ConfigError: If the config has a slip.
        SystemExit: If anything does not fit.
    """
    cfg = read_detector(args.config, args.cfg_options, args.checkpoint)
    # Needs the compiled ops that have just been looked for.
    from mmisl.detection import compare_pretrained

    fit = compare_pretrained(cfg, num_processes=args.processes or 1)
    if fit.complaints:
        refuse(f'{args.config} does not fit its start', fit.complaints)
    if args.processes and (note := batch_note(cfg, args.processes)):
        print(note)
    if not fit.loaded:
        print(f'fits: {args.config} begins with random weights')
        return
    parts = ', '.join(f'{n} ({num})' for n, num in fit.loaded.items())
    print(f'fits: {cfg.model.init_cfg.checkpoint} has all entries of {parts}')


if __name__ == '__main__':
    run_tool(check, parse_args())
