"""Text in pictures as it is written: no formulas, and a font for it."""

from __future__ import annotations

import unicodedata
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache

from matplotlib import rc_context
from matplotlib.font_manager import FontEntry, fontManager, get_font

# Comes with matplotlib, so that pictures look alike everywhere.
_FIRST_FAMILY = 'DejaVu Sans'
# Draws a box that names the script in place of any character.
_PLACEHOLDERS = 'Last Resort'


@contextmanager
def plain_text(texts: Iterable[str]) -> Iterator[None]:
    """Draw and save figures whose texts come from elsewhere.

    Within it names of classes and folders stand as they are: a dollar sign
    begins no formula, and characters that matplotlib's own font lacks are
    taken from what is installed. Those that no font has become a box each,
    without a warning for each; see :func:`missing_characters`. PDFs hold
    their fonts, as TrueType, so that their text can be searched.

    Args:
        texts (Iterable[str]): All that will be written.
    """
    style = {
        'font.family': font_families(texts),
        'text.parse_math': False,
        'text.usetex': False,
        'pdf.fonttype': 42,
    }
    with rc_context(style), warnings.catch_warnings():
        warnings.filterwarnings('ignore', message=r'Glyph \d+ .*missing from')
        yield


def font_families(texts: Iterable[str]) -> list[str]:
    """Installed font families that between them have all characters.

    Args:
        texts (Iterable[str]): What will be written.

    Returns:
        list[str]: The first is always the same; others follow only if it
        lacks a character.
    """
    return _cover(_characters(texts))[0]


def missing_characters(texts: Iterable[str]) -> str:
    """Characters that no installed font has, in ascending order.

    Args:
        texts (Iterable[str]): What will be written.
    """
    return ''.join(sorted(_cover(_characters(texts))[1]))


def clean(text: str) -> str:
    """One line that any encoding of Unicode can write.

    Line ends, tabs and runs of spaces become one space, other control
    characters and halves of surrogate pairs, as in names of files that are no
    UTF-8, a replacement character.
    """
    return ''.join(
        '\N{REPLACEMENT CHARACTER}'
        if unicodedata.category(character) in ('Cc', 'Cs')
        else character
        for character in ' '.join(text.split())
    )


def shorten(text: str, width: int) -> str:
    """Cut a text that is too wide, with an ellipsis for what is cut off.

    Args:
        text (str): To be cut.
        width (int): In average letters, >= 1; Chinese, Japanese and Korean
            ones count as two, marks over letters as none.
    """
    text = clean(text)
    if sum(map(_width, text)) <= width:
        return text
    kept, left = '', width - 1
    for character in text:
        left -= _width(character)
        if left < 0:
            break
        kept += character
    return kept.rstrip() + '…'


def _width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in 'WF' else 1


def _characters(texts: Iterable[str]) -> frozenset[str]:
    return frozenset(
        character
        for character in set().union(*map(clean, texts))
        if not character.isspace()
    )


@cache
def _cover(wanted: frozenset[str]) -> tuple[list[str], frozenset[str]]:
    """Families in the order to try them, and what none of them has."""
    families: list[str] = []
    missing = wanted
    for entry in _candidates():
        if families and not missing:
            break
        found = missing & _characters_of(entry.fname)
        if found or not families:
            families.append(entry.name)
            missing -= found
    return families, missing


def _candidates() -> list[FontEntry]:
    """One upright font of each family, the usual one first."""
    upright = [
        entry
        for entry in fontManager.ttflist
        if entry.style == 'normal' and not entry.name.startswith(_PLACEHOLDERS)
    ]
    # Of a family the one nearest to a book's weight stands for all.
    upright.sort(
        key=lambda entry: (
            entry.name != _FIRST_FAMILY,
            entry.name,
            abs(_weight(entry) - 400),
            entry.fname,
        )
    )
    return list({entry.name: entry for entry in reversed(upright)}.values())[
        ::-1
    ]


def _weight(entry: FontEntry) -> int:
    return entry.weight if isinstance(entry.weight, int) else 400


@cache
def _characters_of(path: str) -> frozenset[str]:
    """Characters that a font has outlines for; none if it has pictures."""
    try:
        font = get_font(path)
    # A broken font of the system is none of ours to report.
    except (OSError, RuntimeError):
        return frozenset()
    if not font.scalable:
        return frozenset()
    return frozenset(map(chr, font.get_charmap()))
