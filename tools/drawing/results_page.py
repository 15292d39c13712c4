"""docs/results.md: a block for each file of results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from common import ConfigError

from .blocks import block_names, has_block, marks, replace_block
from .cells import as_cell
from .detectors import describe_detectors
from .methods import describe_methods
from .miners import describe_miners
from .origin import describe_origin
from .reading import Results

# What miners find, and what detectors make of checkpoints, belongs to the
# methods that stand above it.
_HEADING = dict(methods='##', miners='###', detectors='###')


def update_page(
    page: str,
    results: Sequence[Results],
    pictures: Mapping[str, Mapping[str, str]],
    about: Mapping[str, str],
    *,
    where: str,
) -> str:
    """Rewrite every block, and add those that are not there yet.

    Args:
        page (str): As it is.
        results (Sequence[Results]): All files.
        pictures (Mapping[str, Mapping[str, str]]): For each name its
            pictures in Markdown, by their kind.
        about (Mapping[str, str]): What each config is, by its name.
        where (str): Name of the page, for errors.

    Returns:
        str: As it should be.

    Raises:
        ConfigError: If marks are missing, or a block has no file any more.
    """
    names = {item.name for item in results}
    for name in block_names(page):
        if name not in names:
            raise ConfigError(
                f'{where} has a block of results/{name}.json, which does not '
                'exist; bring the file back, or remove the block'
            )
    for item in results:
        label = f'results {item.name}'
        if not has_block(page, label):
            heading = f'{_HEADING[item.kind]} {as_cell(item.head["title"])}'
            page = f'{page.rstrip()}\n\n{heading}\n\n{"".join(marks(label))}'
        text = describe(item, pictures.get(item.name, {}), about)
        page = replace_block(page, label, text, where=where)
    return page


def describe(
    results: Results, pictures: Mapping[str, str], about: Mapping[str, str]
) -> str:
    """All that is written about one file: numbers, pictures, origin."""
    if results.kind == 'methods':
        sections = describe_methods(results, pictures, about)
    elif results.kind == 'miners':
        sections = describe_miners(results, pictures)
    else:
        sections = describe_detectors(results)
    return '\n'.join([*sections, describe_origin(results)])
