"""Make the proposals that Fast R-CNN trains on, and judge them.

Usage:
    python tools/make_proposals.py selective-search DATA_ROOT SPLIT OUT.pkl
    python tools/make_proposals.py rpn CONFIG CHECKPOINT SPLIT OUT.pkl
    python tools/make_proposals.py recall DATA_ROOT SPLIT FILE.pkl
        --out REPORT.png

OUT is in the form that mmdet's data sets read as `proposal_file`: an entry
for each image of the split, before any is filtered. COMMAND --help tells
what else can be said.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from types import ModuleType

from common import require_detection, run_tool

require_detection()

from proposing import recall, rpn, selective_search  # noqa: E402

COMMANDS: dict[str, ModuleType] = {
    'selective-search': selective_search,
    'rpn': rpn,
    'recall': recall,
}


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Command line of this tool."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    commands = parser.add_subparsers(
        dest='command', metavar='COMMAND', required=True
    )
    for name, module in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=module.HELP,
            description=module.__doc__,
            formatter_class=argparse.RawTextHelpFormatter,
        )
        module.add_arguments(command)
    return parser.parse_args(argv)


def make_proposals(args: argparse.Namespace) -> None:
    """Do what the command line says."""
    COMMANDS[args.command].run(args)


if __name__ == '__main__':
    run_tool(make_proposals, parse_args())
