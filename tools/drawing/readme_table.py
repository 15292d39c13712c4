"""README.md: the numbers that a visitor sees first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from common import ConfigError

from .blocks import replace_block
from .cells import as_cell, cell_of, markdown_table
from .methods import method
from .reading import Results

# The file of results that the README shows.
SHOWN = 'cifar10'


def update_readme(
    page: str,
    results: Sequence[Results],
    about: Mapping[str, str],
    *,
    where: str,
) -> str:
    """Rewrite the README's table.

    Args:
        page (str): As it is.
        results (Sequence[Results]): All files.
        about (Mapping[str, str]): What each config is, by its name.
        where (str): Name of the page, for errors.

    Returns:
        str: As it should be.

    Raises:
        ConfigError: If the marks are missing, or the file that is shown
            compares no methods.
    """
    shown = [item for item in results if item.name == SHOWN]
    text = readme_table(shown[0], about) if shown else 'Not run yet.\n'
    return replace_block(page, 'results', text, where=where)


def readme_table(results: Results, about: Mapping[str, str]) -> str:
    """Methods with their two scores, and where the rest stands."""
    if results.kind != 'methods':
        raise ConfigError(
            f'results/{results.name}.json: kind must be methods in the file '
            f'that the README shows, got {results.kind}'
        )
    rows = [
        [
            method(name),
            as_cell(about.get(name, '')),
            cell_of(runs, 'knn'),
            cell_of(runs, 'linear'),
            str(len(runs)),
        ]
        for name, runs in results.by_name().items()
    ]
    table = markdown_table(
        ['method', 'what it is', 'kNN', 'linear', 'seeds'],
        rows,
        num_texts=2,
    )
    return (
        f'{table}\n{as_cell(results.head["title"])}, in percent, mean ± '
        'sample standard deviation over the seeds; command, cost and what '
        'was mined: [docs/results.md](docs/results.md).\n'
    )
