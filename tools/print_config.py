"""Print a config with everything it inherits.

Usage:
    python tools/print_config.py CONFIG [--cfg-options KEY=VALUE ...]
"""

from __future__ import annotations

import argparse

from common import load_config, make_parser, run_tool


def print_config(args: argparse.Namespace) -> None:
    """Print as the command line says."""
    print(load_config(args).pretty_text)


if __name__ == '__main__':
    run_tool(print_config, make_parser(__doc__).parse_args())
