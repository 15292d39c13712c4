"""Which keyword arguments a class takes, in the end."""

from __future__ import annotations

import ast
import functools
import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from torch import nn

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
        filled: Names that it adds to them, which nobody else has to.
        given: Names that it passes to the next ``__init__`` on its own.
        num_positional: Positional arguments that it passes there.
        reaches_super: Whether the rest is passed there.
        after: Name of the class whose successor is called, of
            ``super(Name, self)``; None for the plain ``super()``.
        is_open: Whether they go anywhere else.
    """

    read: set[str] = field(default_factory=set)
    filled: set[str] = field(default_factory=set)
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
    """Arguments of the first ``__init__`` in ``mro``, and all it calls."""
    position = [('__init__' in vars(owner)) for owner in mro].index(True)
    # Both refuse any argument, though they declare **kwargs.
    if mro[position] in (object, nn.Module):
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
        if passed.after not in later:  # __class__, or another alias
            return Accepted(names, accepted.required, True)
        position += later.index(passed.after)
    further = _accepted_by_class(mro[position + 1 :])
    given = passed.given | set(further.names[: passed.num_positional])
    own = {*names, *given}
    return Accepted(
        (*names, *[name for name in further.names if name not in own]),
        accepted.required | (further.required - given - passed.filled),
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
    if isinstance(parent, ast.keyword) and isinstance(outer, ast.Call):
        _follow_call(outer, passed)
    elif isinstance(parent, ast.Dict) and _rebinds(outer, node.id):
        return  # kwargs = {'key': default, **kwargs}
    elif isinstance(parent, ast.Attribute) and isinstance(outer, ast.Call):
        names = dict(
            pop=passed.read, get=passed.read, setdefault=passed.filled
        ).get(parent.attr)
        if names is None or not outer.args:
            passed.is_open = True
        else:
            _note_key(outer.args[0], names, passed)
    elif isinstance(parent, ast.Subscript):
        is_stored = isinstance(parent.ctx, ast.Store)
        names = passed.filled if is_stored else passed.read
        _note_key(parent.slice, names, passed)
    elif isinstance(parent, ast.Compare):
        _note_key(parent.left, passed.read, passed)
    else:
        passed.is_open = True


def _follow_call(call: ast.Call, passed: _PassedOn) -> None:
    """Take note of ``super().__init__(..., **kwargs)``."""
    owner = _super_of(call)
    if owner is None:
        passed.is_open = True
        return
    passed.reaches_super = True
    passed.given |= {k.arg for k in call.keywords if k.arg}
    passed.num_positional = sum(
        not isinstance(arg, ast.Starred) for arg in call.args
    )
    if owner.args:
        passed.after = ast.unparse(owner.args[0])


def _note_key(key: ast.expr, names: set[str], passed: _PassedOn) -> None:
    """Add a key to ``names``, if the source says which it is."""
    if isinstance(key, ast.Constant) and isinstance(key.value, str):
        names.add(key.value)
    else:
        passed.is_open = True


def _super_of(call: ast.Call) -> ast.Call | None:
    """The ``super()`` in ``super().__init__(...)``, None of other calls."""
    function = call.func
    if not isinstance(function, ast.Attribute) or function.attr != '__init__':
        return None
    owner = function.value
    if not isinstance(owner, ast.Call) or not isinstance(owner.func, ast.Name):
        return None
    return owner if owner.func.id == 'super' else None


def _rebinds(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Assign) and any(
        isinstance(target, ast.Name) and target.id == name
        for target in node.targets
    )
