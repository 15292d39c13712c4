"""Walks a config and compares every dict with what builds it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Any

from mmengine.config import Config
from mmengine.optim import DefaultOptimWrapperConstructor
from mmengine.registry import (
    FUNCTIONS,
    OPTIM_WRAPPER_CONSTRUCTORS,
    Registry,
)
from mmengine.runner import Runner

from .kinds import (
    CONFIG,
    OPTIM_WRAPPER,
    PARAMWISE,
    Kind,
    parameters,
)
from .lookup import find_type, known_types, suggest
from .signatures import accepted_arguments

# Read by Runner or by the tools, though no arguments of Runner.
_ALSO_READ = {
    'activation_checkpointing',
    'compile',
    'custom_imports',
    'efficient_conv_bn_eval',
    'find_unused_parameters',
    'gallery_dataloader',
    'model_wrapper_cfg',
    'runner_type',
    'sync_bn',
}
READ_KEYS = (parameters(Runner.__init__) - {'cfg'}) | _ALSO_READ
# How close a key must come to a known one to be a slip, where any is legal.
_CLOSE = 0.85
TRAINING_KEYS = ('model', 'train_dataloader', 'train_cfg', 'optim_wrapper')


class ConfigError(ValueError):
    """A slip in a config, told in one line."""


def check_config(
    cfg: Config, *, required: Sequence[str] = TRAINING_KEYS
) -> None:
    """Find slips in a config before anything is built.

    Dicts that the runner builds, and the networks, transforms and data sets
    below them, are compared with the signature of what their ``type`` stands
    for; dicts without a type, such as ``paramwise_cfg``, with the keys that
    are read. mmengine would find the same slips late (the loader of a
    validation is built after the first epochs), one screen deep, or never: a
    misspelt ``param_scheduler`` is ignored.

    Left to their builders are values, and what a class makes of an argument
    of its own: losses, ``norm_cfg``, ``init_cfg.override``, the ``train_cfg``
    and ``test_cfg`` of a detector, anchors and coders, ``custom_keys``. A
    class may name the keys of such an argument in its attribute
    ``dict_arguments``; then they are compared, too.

    Args:
        cfg (Config): As read from its file, overrides merged.
        required (Sequence[str]): Top-level keys that must be there and not
            None. Defaults to what training needs.

    Raises:
        ConfigError: If a type is unknown, if a key is unknown or misspelt, or
            if one is missing. The line names the dotted key, what was got
            and what is allowed.
    """
    root = cfg.to_dict()
    scope = root.get('default_scope') or 'mmengine'
    _check_top_level(root, required)
    try:
        _check(root, CONFIG, '', (scope,))
    except ModuleNotFoundError as error:
        if error.name not in (scope, f'{scope}.registry'):
            raise
        raise ConfigError(
            f'default_scope: {scope!r} is no package with registries; '
            "configs of mmisl need default_scope = 'mmisl'"
        ) from error


def _check_top_level(root: dict, required: Sequence[str]) -> None:
    for key in root:
        if key in READ_KEYS or key.endswith('_pipeline'):
            continue
        # Not every unknown key is a slip: configs define variables, too.
        if get_close_matches(key, READ_KEYS, n=1, cutoff=_CLOSE):
            raise ConfigError(
                f'{key}: no such key; {suggest(key, sorted(READ_KEYS))}'
            )
    for key in required:
        if root.get(key) is None:
            raise ConfigError(
                f'{key}: {"None" if key in root else "missing"}, but needed; '
                f'a run needs {", ".join(required)}'
            )
    for stage in ('val', 'test'):
        keys = [f'{stage}_{name}' for name in ('dataloader', 'cfg')]
        keys.append(f'{stage}_evaluator')
        missing = [key for key in keys if root.get(key) is None]
        if 0 < len(missing) < len(keys):
            raise ConfigError(
                f'{missing[0]}: missing or None; set all of '
                f'{", ".join(keys)}, or none of them'
            )


def _check(node: Any, kind: Kind | None, path: str, scopes: tuple) -> None:
    """Check ``node`` and all below; ``path`` is its dotted key."""
    if kind is None:
        return
    if isinstance(node, (list, tuple)):
        for index, item in enumerate(node):
            _check(item, kind, f'{path}.{index}', scopes)
        return
    if not isinstance(node, dict):
        return
    if '_scope_' in node:
        scopes = (node['_scope_'], *scopes)
    target = _target(node, kind, path, scopes)
    if target is not None:
        if getattr(target, '__name__', None) in kind.opaque:
            return
        scopes = (scopes[0], target.__module__.partition('.')[0])
        _check_dict_arguments(node, target, path)
    if kind is OPTIM_WRAPPER:
        _check_constructor(node, path, scopes)
    for key, value in node.items():
        below = f'{path}.{key}' if path else key
        _check(value, kind.child(key), below, scopes)


def _target(
    node: dict, kind: Kind, path: str, scopes: tuple
) -> Callable | None:
    """What ``node`` builds, after its keys are checked; None if nothing."""
    name = node.get('type', kind.default_type)
    if name is None or not kind.registries:
        _check_untyped(node, kind, path)
        return None
    target: Callable | None = name
    if isinstance(name, str):
        target = _resolve(name, kind.registries, scopes)
    if not callable(target):
        allowed = known_types(kind.registries, scopes=scopes)
        raise ConfigError(
            f'{path}.type: {name!r} is not registered; '
            f'{suggest(str(name), allowed)}'
        )
    _check_arguments(node, kind, path, target)
    return target


def _resolve(
    name: str, registries: tuple[Registry, ...], scopes: tuple
) -> Callable | None:
    if registries == (FUNCTIONS,):
        # The runner looks functions up without a scope.
        return find_type(name, registries, scopes=())
    return find_type(name, registries, scopes=scopes)


def _check_untyped(node: dict, kind: Kind, path: str) -> None:
    if kind.needs_type and kind.registries:
        given = ', '.join(map(str, node)) or 'no key at all'
        raise ConfigError(f"{path}: needs the key 'type', got {given}")
    if kind.keys is not None:
        for key in node:
            if key not in kind.keys:
                allowed = suggest(key, sorted(kind.keys))
                raise ConfigError(f'{path}.{key}: no such key; {allowed}')
    for key in node:
        if key in kind.known:
            continue
        if get_close_matches(key, kind.known, n=1, cutoff=_CLOSE):
            raise ConfigError(
                f'{path}.{key}: would come besides those that are there; '
                f'{suggest(key, sorted(kind.known))}, or a name unlike these'
            )


def _check_arguments(
    node: dict, kind: Kind, path: str, target: Callable
) -> None:
    accepted = accepted_arguments(target)
    given = set(node) - {'type', '_scope_'} - kind.extra
    unknown = sorted(given.difference(accepted.names))
    name = getattr(target, '__name__', str(node.get('type')))
    if unknown and not accepted.is_open:
        allowed = {*accepted.names, *kind.extra} - kind.injected
        raise ConfigError(
            f'{path}.{unknown[0]}: {name} has no such argument; '
            f'{suggest(unknown[0], sorted(allowed))}'
        )
    missing = sorted(accepted.required - given - kind.injected)
    if missing and kind.checks_required:
        raise ConfigError(f'{path}.{missing[0]}: missing, but {name} needs it')


def _check_dict_arguments(node: dict, target: Callable, path: str) -> None:
    """Keys of the dicts of which ``target`` says what it reads."""
    for name, keys in getattr(target, 'dict_arguments', {}).items():
        if isinstance(node.get(name), dict):
            _check_untyped(node[name], Kind(keys=keys), f'{path}.{name}')


def _check_constructor(node: dict, path: str, scopes: tuple) -> None:
    """What shares the parameters out, and the dict that tells it how."""
    constructor = node.get('constructor', DefaultOptimWrapperConstructor)
    if isinstance(constructor, str):
        found = find_type(
            constructor, (OPTIM_WRAPPER_CONSTRUCTORS,), scopes=scopes
        )
        if found is None:
            allowed = known_types((OPTIM_WRAPPER_CONSTRUCTORS,), scopes=scopes)
            raise ConfigError(
                f'{path}.constructor: {constructor!r} is not registered; '
                f'{suggest(constructor, allowed)}'
            )
        constructor = found
    # Another way to share them out reads other keys.
    add_params = getattr(constructor, 'add_params', None)
    if add_params is DefaultOptimWrapperConstructor.add_params:
        below = f'{path}.paramwise_cfg'
        _check(node.get('paramwise_cfg'), PARAMWISE, below, scopes)
