"""Print a config with everything it inherits.

Usage:
    python tools/print_config.py CONFIG [--cfg-options KEY=VALUE ...]

What is printed can be saved as a config. Long lists of numbers that are
evenly spaced, such as the indices of a part of a data set, are written as
ranges.
"""

from __future__ import annotations

import argparse
import re

from common import load_config, make_parser, run_tool

_LIST = re.compile(r'\[\s*-?\d+(?:,\s*-?\d+)+,?\s*\]')
_LEAST = 20


def print_config(args: argparse.Namespace) -> None:
    """Print as the command line says."""
    print(with_ranges(load_config(args).pretty_text))


def with_ranges(text: str) -> str:
    """Python with ranges in the place of long lists that are evenly spaced."""
    return _LIST.sub(_as_range, text)


def _as_range(match: re.Match[str]) -> str:
    numbers = [int(word) for word in re.findall(r'-?\d+', match[0])]
    first, step = numbers[0], numbers[1] - numbers[0]
    if len(numbers) < _LEAST or step < 1:
        return match[0]
    evenly = range(first, numbers[-1] + 1, step)
    return f'list({evenly})' if numbers == list(evenly) else match[0]


if __name__ == '__main__':
    run_tool(print_config, make_parser(__doc__).parse_args())
