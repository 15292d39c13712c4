"""Checks ``--cfg-options`` against the config they change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from mmengine.config import Config

from .check import READ_KEYS, ConfigError

# What a config imports is imported while it is parsed.
_READ_LATER = READ_KEYS - {'custom_imports'}
# Of keys with the same last part, named in a message.
_SHOWN = 3


def check_overrides(cfg: Config, options: Mapping[str, Any]) -> None:
    """Refuse overrides that would silently change nothing.

    mmengine makes whatever path an option names. So a slip in the middle of
    a key adds a dict that nobody reads, and so does a key without the path to
    it, such as ``batch_size``, or the name of a variable, such as
    ``data_root``: it was read when the file was parsed. The last part of a
    key with a path is left to :func:`check_config`.

    Args:
        cfg (Config): Before the options are merged.
        options (Mapping[str, Any]): Dotted key to new value, as
            :class:`mmengine.DictAction` gives them.

    Raises:
        ConfigError: If the parent of a key does not exist, or if nobody reads
            the key.
    """
    root = cfg.to_dict()
    paths = dict(_flatten(root))
    for key in options:
        _check_parents(root, key, paths)
        top = key.partition('.')[0]
        if top in _READ_LATER:
            continue
        if top in root:
            copies = [
                path
                for path, value in paths.items()
                if value == root[top] and path != top and _is_read(path)
            ]
            used = f'; override {", ".join(copies)} instead' if copies else ''
            raise ConfigError(
                f'{key}: {top} is a variable of the config file, read only '
                f'while it is parsed, so setting it now changes nothing{used}'
            )
        raise ConfigError(
            f'{key}: neither the config nor anyone who reads it has such a '
            f'key, so setting it changes nothing{_closest(key, paths)}'
        )


def _closest(key: str, paths: Mapping[str, Any]) -> str:
    """The keys that may be meant by one without a path."""
    read = [path for path in paths if _is_read(path)]
    matches = [path for path in read if path.endswith(f'.{key}')][:_SHOWN]
    if not matches:
        matches = get_close_matches(key, [*sorted(_READ_LATER), *read], n=1)
    named = ' or '.join(map(repr, matches))
    return f'; did you mean {named}?' if named else ''


def _is_read(path: str) -> bool:
    return path.partition('.')[0] in _READ_LATER


def _check_parents(root: dict, key: str, paths: Mapping[str, Any]) -> None:
    """Walk down to the parent of ``key``."""
    node: Any = root
    parts = key.split('.')
    for depth, part in enumerate(parts[:-1]):
        if isinstance(node, (list, tuple)) and part.isdigit():
            exists = int(part) < len(node)
            node = node[int(part)] if exists else None
        else:
            exists = isinstance(node, dict) and part in node
            node = node[part] if exists else None
        if not exists or not isinstance(node, (dict, list, tuple)):
            got = '.'.join(parts[: depth + 1])
            state = f'is {node!r}' if exists else 'does not exist'
            matches = get_close_matches(key, paths, n=1, cutoff=0)
            guess = f'; the closest key is {matches[0]!r}' if matches else ''
            raise ConfigError(
                f'{key}: {got} {state}, so there is nothing to set in it'
                f'{guess}'
            )


def _flatten(node: Any, prefix: str = '') -> Iterator[tuple[str, Any]]:
    """Every dotted key of a config and its value."""
    items: Any = ()
    if isinstance(node, dict):
        items = node.items()
    elif isinstance(node, (list, tuple)):
        items = enumerate(node)
    for key, value in items:
        yield f'{prefix}{key}', value
        yield from _flatten(value, f'{prefix}{key}.')
