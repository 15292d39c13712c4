"""What the sources of proposals share: limits, and the file they write."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np

# Of Fast R-CNN.
MAX_PROPOSALS = 2000


def add_limit(parser: argparse.ArgumentParser) -> None:
    """How many proposals of an image are kept."""
    parser.add_argument(
        '--max-proposals',
        type=positive,
        default=MAX_PROPOSALS,
        help=f'best boxes of an image to keep (default: {MAX_PROPOSALS})',
    )


def positive(text: str) -> int:
    """An integer of at least 1, for argparse."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(
            f'expected an integer of at least 1, got {text}'
        )
    return int(text)


def check_out(path: Path) -> None:
    """Insist on a new file of proposals.

    Raises:
        ValueError: If OUT has another suffix.
        FileExistsError: If it exists.
    """
    if path.suffix != '.pkl':
        raise ValueError(f'OUT ({path}) must end with .pkl')
    if path.exists():
        raise FileExistsError(
            f'OUT ({path}) exists; delete it, or name another file'
        )


def show_numbers(
    proposals: Mapping[str, Mapping[str, np.ndarray]], path: Path
) -> None:
    """Print how many proposals were written, and where."""
    numbers = [len(entry['bboxes']) for entry in proposals.values()]
    print(
        f'{len(numbers)} images, {np.mean(numbers):.0f} proposals each '
        f'({min(numbers)} to {max(numbers)}): {path}'
    )
