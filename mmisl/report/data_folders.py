"""Finds the images of a run, from wherever a tool looks at it."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping, Sequence
from pathlib import Path
from typing import Any

# Settings of a data set that hold paths, and what an override of them names.
_PATHS = dict(
    data_root='FOLDER', ann_file='FILE', data_prefix='FOLDER', files='FILES'
)
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
    for key, leaf in _leaves(dataset, f'{loader}.dataset'):
        for setting in _PATHS:
            if not leaf.get(setting):
                continue
            try:
                leaf[setting] = _find(leaf[setting], places)
            except FileNotFoundError as error:
                raise FileNotFoundError(
                    f'the images are not where the run had them: {error}: '
                    f'{_option(key, setting)}'
                ) from None
            if setting == 'data_root':
                break  # the others start there


def override_of(dataset: MutableMapping[str, Any], loader: str) -> str:
    """What to add to a command to name the place of the images.

    Args:
        dataset (MutableMapping): Config of a data set, or of a wrapper
            around such; the first of several counts.
        loader (str): Key of the config that the data set stands under.
    """
    key, leaf = next(_leaves(dataset, f'{loader}.dataset'))
    named = (setting for setting in _PATHS if leaf.get(setting))
    return _option(key, next(named, 'data_root'))


def _option(key: str, setting: str) -> str:
    return f'--cfg-options {key}.{setting}={_PATHS[setting]}'


def _leaves(
    dataset: MutableMapping[str, Any], key: str
) -> Iterator[tuple[str, MutableMapping[str, Any]]]:
    """Configs of the innermost data sets, with their dotted keys."""
    inner = {f'{key}.dataset': dataset.get('dataset')}
    if dataset.get('datasets'):
        inner = {
            f'{key}.datasets.{index}': cfg
            for index, cfg in enumerate(dataset['datasets'])
        }
    found = {
        name: cfg
        for name, cfg in inner.items()
        if isinstance(cfg, MutableMapping)
    }
    if not found:
        yield key, dataset
    for name, cfg in found.items():
        yield from _leaves(cfg, name)


def _find(value: Any, places: Sequence[Path]) -> Any:
    """A path, or all that a list or dict has; empty ones stay."""
    if isinstance(value, MutableMapping):
        return {name: _find(path, places) for name, path in value.items()}
    if isinstance(value, list | tuple):
        return [_find(path, places) for path in value]
    if not value:
        return value
    candidates = [place / value for place in places]  # absolute ones stay
    for candidate in candidates:
        if candidate.exists():
            return str(candidate)
    if Path(value).is_absolute():
        raise FileNotFoundError(
            f'{value} does not exist; put it back, or name the new place'
        )
    raise FileNotFoundError(
        f'{value} is neither in {places[0]} nor above the work dir; start in '
        'the folder that the training was started in, or name the new place'
    )
