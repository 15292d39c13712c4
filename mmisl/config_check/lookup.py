"""Finds the class that a ``type`` stands for, and names that are like it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from importlib import import_module

from mmengine.registry import Registry

# Names in a message; the registries hold hundreds.
_SHOWN = 25


def find_type(
    name: str, registries: Iterable[Registry], *, scopes: tuple[str, ...]
) -> Callable | None:
    """The class or function that is built for a ``type``.

    Args:
        name (str): The ``type``, with or without a scope before it.
        registries (Iterable[Registry]): mmengine's, tried in order.
        scopes (tuple[str, ...]): Packages whose registry of this sort looks
            the name up: the first that has one. The default scope comes
            first, then the package of the class that does the building.

    Returns:
        Callable | None: None if it is not registered.
    """
    for root in registries:
        try:
            target = scoped_registry(root, scopes).get(name)
        except RuntimeError as error:
            # Said of a name that is neither registered nor an import path.
            if not str(error).startswith('Failed to get'):
                raise
            continue
        if target is not None:
            return target
    return None


def scoped_registry(root: Registry, scopes: tuple[str, ...]) -> Registry:
    """The registry of the first scope that has one of this sort."""
    for scope in scopes:
        _import_registry(scope)
        child = root._search_child(scope)
        if child is not None:
            return child
    return root


def known_types(
    registries: Iterable[Registry], *, scopes: tuple[str, ...]
) -> list[str]:
    """Names that may stand as ``type``, those of other scopes prefixed."""
    own: list[str] = []
    others: list[str] = []
    for root in registries:
        registry = scoped_registry(root, scopes)
        registry.import_from_location()
        own += sorted(registry.module_dict)
        others += sorted(root.module_dict)
        for scope, child in sorted(root.children.items()):
            if child is not registry:
                others += [f'{scope}.{name}' for name in child.module_dict]
    return own + others


def suggest(got: str, allowed: Iterable[str]) -> str:
    """What is allowed instead of ``got``, the closest matches first.

    Args:
        got (str): The word that is not allowed.
        allowed (Iterable[str]): The words that are, the likeliest first.

    Returns:
        str: The end of a sentence, on one line.
    """
    words = list(dict.fromkeys(allowed))
    # Whoever writes ResNet means mmpretrain.ResNet, and by sgd SGD.
    matches = [word for word in words if word.endswith(f'.{got}')][:3]
    if not matches:
        spelling = {word.lower(): word for word in reversed(words)}
        close = get_close_matches(got.lower(), spelling, n=1)
        matches = [spelling[word] for word in close]
    guess = ' or '.join(map(repr, matches))
    shown = ', '.join(words[:_SHOWN]) or 'nothing'
    more = f' and {len(words) - _SHOWN} more' if len(words) > _SHOWN else ''
    question = f'did you mean {guess}? Allowed' if guess else 'allowed'
    return f'{question}: {shown}{more}'


def _import_registry(scope: str) -> None:
    """Let a toolbox add its registries to mmengine's.

    Raises:
        ModuleNotFoundError: If there is no such toolbox.
    """
    import_module(f'{scope}.registry')
