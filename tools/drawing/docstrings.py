"""Docstrings of configs: the sentence that says what was measured here."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

from .cells import Runs, cell_of
from .reading import Results

_WIDTH = 79
# Up to a full stop that ends a sentence, not the one in 41.2 or results.md;
# without one to the end of the paragraph.
_SENTENCE = re.compile(r'\bHere:\s.*?(?:\.(?=\s|\Z)|\Z)', re.DOTALL)
_DOCSTRING = re.compile(r'"""(.*?)"""', re.DOTALL)


def summaries(configs: Path) -> dict[str, str]:
    """What each config is, by its name.

    Args:
        configs (Path): Folder of configs.

    Returns:
        dict[str, str]: First line of its docstring without the full stop;
        of one that begins with what it belongs to, and a colon, the rest.
    """
    found = {}
    for name, path in _by_name(configs).items():
        docstring = ast.get_docstring(ast.parse(path.read_text())) or ''
        line = docstring.partition('\n')[0].removesuffix('.')
        found[name] = line.rpartition(': ')[2]
    return found


def _by_name(configs: Path) -> dict[str, Path]:
    """Configs that can be run; a method is named as its config."""
    return {
        path.stem: path
        for path in sorted(configs.rglob('*.py'))
        if '_base_' not in path.parts
    }


def measured_configs(
    results: Sequence[Results], configs: Path
) -> dict[Path, str]:
    """Configs that were measured, and the sentence of each.

    Args:
        results (Sequence[Results]): All files.
        configs (Path): Folder of configs; a method is named as its config.

    Returns:
        dict[Path, str]: Sentence by config. One that was compared in several
        files is described by that with the most seeds.
    """
    paths = _by_name(configs)
    runs: dict[str, Runs] = {}
    for item in results:
        for name, own in item.by_name().items():
            is_config = item.kind == 'methods' and name in paths
            if is_config and len(own) > len(runs.get(name, [])):
                runs[name] = own
    sentences = {paths[name]: sentence(own) for name, own in runs.items()}
    return {path: text for path, text in sentences.items() if text}


def sentence(runs: Runs) -> str:
    """What was measured of a method; nothing where no score is known."""
    names: Mapping[str, str] = dict(knn='kNN', linear='linear')
    scores = [
        f'{name} {text} %'
        for key, name in names.items()
        if (text := cell_of(runs, key)) != '-'
    ]
    if not scores:
        return ''
    seeds = '1 seed' if len(runs) == 1 else f'{len(runs)} seeds'
    return f'Here: {", ".join(scores)} ({seeds}).'


def update_docstring(source: str, text: str) -> str:
    """Put a sentence in the place of the one that begins with ``Here:``.

    Args:
        source (str): Of a config.
        text (str): The new sentence.

    Returns:
        str: The source; as it was if its docstring has no such sentence. The
        paragraph is wrapped again only if its words have changed.
    """
    if ast.get_docstring(ast.parse(source)) is None:
        return source
    match = _DOCSTRING.search(source)
    if match is None:
        return source
    parts = re.split(r'(\n[ \t]*\n)', match[1])
    for index, part in enumerate(parts):
        if _SENTENCE.search(part):
            parts[index] = _with_sentence(part, text)
            break
    return source[: match.start(1)] + ''.join(parts) + source[match.end(1) :]


def _with_sentence(paragraph: str, text: str) -> str:
    new = _SENTENCE.sub(lambda _: text, paragraph, count=1)
    if new.split() == paragraph.split():
        return paragraph
    ending = paragraph[len(paragraph.rstrip()) :]
    filled = textwrap.fill(
        ' '.join(new.split()),
        _WIDTH,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return filled + ending
