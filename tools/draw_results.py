"""Write what results/*.json say into pages, pictures and configs.

Usage:
    python tools/draw_results.py [--check]

Rewritten are the blocks of docs/results.md, one a file, the table of the
README, docs/images/results_*.png, and the sentence ``Here: ...`` in the
docstrings of configs that were measured. What the files hold:
results/README.md. Only what is out of date is written; --check writes nothing
and fails if there is such.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from common import ConfigError, add_traceback_argument, run_tool
from drawing.updates import plan_updates

ROOT = Path(__file__).resolve().parents[1]


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Command line of this tool."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        '--check',
        action='store_true',
        help='write nothing; exit with 1 if something is out of date',
    )
    parser.add_argument(
        '--root',
        type=Path,
        default=ROOT,
        help='repository to read and write (default: that of this file)',
    )
    add_traceback_argument(parser)
    return parser.parse_args(argv)


def draw_results(args: argparse.Namespace) -> None:
    """Check or write, as the command line says.

    Raises:
        ConfigError: If a file of results is wrong; with --check also if
            something is out of date.
    """
    updates = plan_updates(args.root)
    due = [update for update in updates if not update.is_done()]
    names = [str(update.path.relative_to(args.root)) for update in due]
    if args.check:
        if due:
            raise ConfigError(
                f'out of date: {", ".join(names)}; run python '
                'tools/draw_results.py'
            )
        print(f'{len(updates)} files are up to date')
        return
    for update, name in zip(due, names):
        update.apply()
        print(f'wrote {name}')
    if not due:
        print(f'nothing to do, {len(updates)} files are up to date')


if __name__ == '__main__':
    run_tool(draw_results, parse_args())
