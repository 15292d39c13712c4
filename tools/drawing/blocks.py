"""Blocks of a page between two marks, which the tool writes."""

from __future__ import annotations

import re

from common import ConfigError


def marks(label: str) -> tuple[str, str]:
    """Lines before and after a block.

    Args:
        label (str): ``results``, or ``results NAME``.
    """
    return f'<!-- {label} begin -->\n', f'<!-- {label} end -->\n'


def has_block(page: str, label: str) -> bool:
    """Whether a page has one of the two marks."""
    return any(mark in page for mark in marks(label))


def block_names(page: str) -> list[str]:
    """Names of all blocks ``results NAME`` that begin on a page."""
    return re.findall(r'<!-- results (\S+) begin -->\n', page)


def replace_block(page: str, label: str, text: str, *, where: str) -> str:
    """Put a text between two marks of a page.

    Args:
        page (str): All of it.
        label (str): Of the marks.
        text (str): New block, whole lines.
        where (str): Name of the page, for errors.

    Returns:
        str: The page with its new block.

    Raises:
        ConfigError: If the marks are not there once each, in order.
    """
    begin, end = marks(label)
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(end)
    in_order = page.find(begin) < page.find(end)
    if not (page.count(begin) == page.count(end) == 1 and in_order):
        raise ConfigError(
            f'{where} must have the lines {begin.strip()} and {end.strip()} '
            f'once each and in this order, got {page.count(begin)} and '
            f'{page.count(end)}; add them where the numbers belong'
        )
    return f'{before}{begin}{text}{end}{after}'
