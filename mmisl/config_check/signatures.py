"""Which keyword arguments a class takes, in the end."""

from __future__ import annotations

import ast
import functools
import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

_NAMED = (
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    inspect.Parameter.KEYWORD_ONLY,
)


@dataclass(frozen=True)
class Accepted:
    """Keyword arguments that a class or function takes.

    Attributes:
        names: All names it is known to take, its own parameters first.
        required: Those without a default.
        is_open: Whether it takes further ones, which are not known.
    """

    names: tuple[str, ...]
    required: frozenset[str]
    is_open: bool


@dataclass
class _PassedOn:
    """What an ``__init__`` does with its ``**kwargs``.

    Attributes:
        read: Names it takes out of them for itself.
        given: Names that it passes to the next ``__init__`` on its own.
        num_positional: Positional arguments that it passes there.
        reaches_super: Whether the rest is passed there.
        after: Name of the class whose successor is called, of
            ``super(Name, self)``; None for the plain ``super()``.
        is_open: Whether they go anywhere else.
    """

    read: set[str] = field(default_factory=set)
    given: set[str] = field(default_factory=set)
    num_positional: int = 0
    reaches_super: bool = False
    after: str | None = None
    is_open: bool = False


def accepted_arguments(target: Callable) -> Accepted:
    """Arguments of a class or function, with ``**kwargs`` followed.

    A subclass that passes ``**kwargs`` to ``super().__init__`` takes what
    the next class takes. How it passes them is read from the source; where
    that cannot be told, the result is open.

    Args:
        target (Callable): What a registry returned for a ``type``.

    Returns:
        Accepted: Names, the required ones among them, and whether any other
        is taken as well.
    """
    if isinstance(target, functools.partial):
        # mmpretrain registers torchvision's transforms as a wrapper bound to
        # the class that gets the arguments.
        bound = [v for v in target.keywords.values() if inspect.isclass(v)]
        if len(bound) == 1:
            return accepted_arguments(bound[0])
        return Accepted((), frozenset(), True)
    if inspect.isclass(target):
        return _accepted_by_class(target.__mro__)
    accepted, rest = _own_arguments(target)
    return replace(accepted, is_open=rest is not None)


def _accepted_by_class(mro: tuple[type, ...]) -> Accepted:
    """Arguments of the first ``__init__`` in ``mro``, and of those it calls."""
    position = [('__init__' in vars(owner)) for owner in mro].index(True)
    if mro[position] is object:
        return Accepted((), frozenset(), False)
    init = vars(mro[position])['__init__']
    accepted, rest = _own_arguments(init, skipped=1)
    if rest is None:
        return accepted
    passed = _follow(init, rest)
    names = (*accepted.names, *sorted(passed.read))
    if passed.is_open or not passed.reaches_super:
        return Accepted(names, accepted.required, True)
    if passed.after is not None:
        later = [owner.__name__ for owner in mro[position:]]
        position += later.index(passed.after)
    further = _accepted_by_class(mro[position + 1 :])
    given = passed.given | set(further.names[: passed.num_positional])
    own = {*names, *given}
    return Accepted(
        (*names, *[name for name in further.names if name not in own]),
        accepted.required | (further.required - given),
        further.is_open,
    )


def _own_arguments(
    function: Callable, *, skipped: int = 0
) -> tuple[Accepted, str | None]:
    """Named parameters of a function, and the name of its ``**kwargs``."""
    try:
        signature = inspect.signature(function)
    except ValueError:  # written in C
        return Accepted((), frozenset(), True), None
    parameters = list(signature.parameters.values())
    named = [p for p in parameters[skipped:] if p.kind in _NAMED]
    rest = [p.name for p in parameters if p.kind is p.VAR_KEYWORD]
    accepted = Accepted(
        tuple(p.name for p in named),
        frozenset(p.name for p in named if p.default is p.empty),
        False,
    )
    return accepted, rest[0] if rest else None


def _follow(init: Callable, rest: str) -> _PassedOn:
    """Read what ``init`` does with its ``**rest``."""
    passed = _PassedOn()
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(init)))
    except (OSError, SyntaxError):  # no source, or none that stands alone
        passed.is_open = True
        return passed
    parents: dict[ast.AST, ast.AST] = {
        child: node
        for node in ast.walk(tree)
        for child in ast.iter_child_nodes(node)
    }
    for node in list(parents):
        if isinstance(node, ast.Name) and node.id == rest:
            _follow_use(node, parents, passed)
    return passed


def _follow_use(
    node: ast.Name, parents: dict[ast.AST, ast.AST], passed: _PassedOn
) -> None:
    """Sort one use of ``kwargs`` into ``passed``."""
    parent = parents[node]
    outer = parents[parent]
    if isinstance(node.ctx, ast.Store):
        return
    if isinstance(parent, ast.keyword) and _is_super_init(outer):
        passed.reaches_super = True
        passed.given |= {k.arg for k in outer.keywords if k.arg}
        if outer.func.value.args:
            passed.after = ast.unparse(outer.func.value.args[0])
        passed.num_positional = sum(
            not isinstance(arg, ast.Starred) for arg in outer.args
        )
    elif isinstance(parent, ast.Dict) and _rebinds(outer, node.id):
        return  # kwargs = {'key': default, **kwargs}
    elif isinstance(parent, ast.Attribute) and parent.attr in ('pop', 'get'):
        _read_key(outer.args[:1], passed)
    elif isinstance(parent, ast.Attribute) and parent.attr == 'setdefault':
        passed.given |= {a.value for a in outer.args[:1]}
    elif isinstance(parent, ast.Subscript):
        if isinstance(parent.ctx, ast.Store):
            return  # kwargs['key'] = value
        _read_key([parent.slice], passed)
    elif isinstance(parent, ast.Compare):
        _read_key([parent.left], passed)
    else:
        passed.is_open = True


def _read_key(nodes: list[ast.expr], passed: _PassedOn) -> None:
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            passed.read.add(node.value)
        else:
            passed.is_open = True


def _is_super_init(node: Any) -> bool:
    """Whether a node is ``super().__init__(...)``."""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == '__init__'
        and isinstance(node.func.value, ast.Call)
        and isinstance(node.func.value.func, ast.Name)
        and node.func.value.func.id == 'super'
    )


def _rebinds(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Assign) and any(
        isinstance(target, ast.Name) and target.id == name
        for target in node.targets
    )
