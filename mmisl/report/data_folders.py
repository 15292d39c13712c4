"""Finds the images of a run, from wherever a report of it is made."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping, Sequence
from pathlib import Path
from typing import Any

# A checkout of mmisl, where configs say data/NAME.
_CHECKOUT = Path(__file__).resolve().parents[2]


def search_places(work_dir: str | Path) -> list[Path]:
    """Folders that relative paths of a run may have started from.

    Args:
        work_dir (str | Path): Of the run.

    Returns:
        list[Path]: The present folder, those above the work dir, and the
        checkout of mmisl, each once.
    """
    above = Path(work_dir).resolve().parents
    return list(dict.fromkeys([Path.cwd(), *above, _CHECKOUT]))


def make_absolute(
    dataset: MutableMapping[str, Any], places: Sequence[Path], loader: str
) -> None:
    """Give the folders and lists of a data set's config whole paths.

    Args:
        dataset (MutableMapping): Config of a data set, or of a wrapper
            around such; changed in place.
        places (Sequence[Path]): Where relative paths may start, the likelier
            first.
        loader (str): Key of the config that the data set stands under.

    Raises:
        FileNotFoundError: If one is in none of them.
    """
    try:
        _make_absolute(dataset, places)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f'the images are not where the run had them: {error}; start in '
            'the folder that the training was started in, or name the new '
            f'one: --cfg-options {loader}.dataset.dataset.data_root=FOLDER'
        ) from None


def _make_absolute(
    dataset: MutableMapping[str, Any], places: Sequence[Path]
) -> None:
    for leaf in _leaves(dataset):
        if leaf.get('data_root'):
            leaf['data_root'] = _find(leaf['data_root'], places)
            continue  # the others start there
        if leaf.get('ann_file'):
            leaf['ann_file'] = _find(leaf['ann_file'], places)
        prefix = leaf.get('data_prefix')
        if isinstance(prefix, MutableMapping):
            for key, value in prefix.items():
                prefix[key] = _find(value, places) if value else value
        elif prefix:
            leaf['data_prefix'] = _find(prefix, places)
        if leaf.get('files'):
            leaf['files'] = [_find(file, places) for file in leaf['files']]


def _leaves(
    dataset: MutableMapping[str, Any],
) -> Iterator[MutableMapping[str, Any]]:
    """Configs of the innermost data sets."""
    inner = dataset.get('datasets') or [dataset.get('dataset')]
    found = [cfg for cfg in inner if isinstance(cfg, MutableMapping)]
    if not found:
        yield dataset
    for cfg in found:
        yield from _leaves(cfg)


def _find(path: str, places: Sequence[Path]) -> str:
    candidates = [place / path for place in places]  # an absolute one stays
    for candidate in candidates:
        if candidate.exists():
            return str(candidate)
    if Path(path).is_absolute():
        raise FileNotFoundError(f'{path} does not exist')
    raise FileNotFoundError(
        f'{path} is neither in {places[0]} nor above the work dir'
    )
