"""Compares the imports of mmisl with the table in docs/design.md."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / 'mmisl'
# Counted by hand, so that a walk that misses folders is noticed.
NUM_MODULES = 220
# What every room may import besides the standard library.
COMMON = {'torch', 'numpy'}
# These hold no room: the version and the package itself.
ROOMLESS = {'version', 'mmisl'}
LAZY = 'heavy packages only inside functions'


def read_table():
    """Rules of the table: room -> (allowed names, whether lazy)."""
    rules = {}
    for line in (ROOT / 'docs' / 'design.md').read_text().splitlines():
        row = re.fullmatch(r'\| (`.+`) \| (.+) \|', line)
        if row is None:
            continue
        allowed = set()
        for item in re.split(r'[,;] ', row[2]):
            # A room stands in backticks, a package is one bare word; longer
            # items are prose, which allows nothing.
            if room := re.fullmatch(r'`(\w+)`', item):
                allowed.add(f'mmisl.{room[1]}')
            elif re.fullmatch(r'\w+', item):
                allowed.add(item)
        for room in re.findall(r'`(\w+)`', row[1]):
            rules[room] = (allowed, LAZY in row[2])
    return rules


def list_modules():
    """Path and dotted name of every module of mmisl."""
    for path in sorted(PACKAGE.rglob('*.py')):
        parts = path.relative_to(ROOT).with_suffix('').parts
        yield path, '.'.join(p for p in parts if p != '__init__')


def room_of(module):
    return 'mmisl' if module == 'mmisl' else module.split('.')[1]


def imported_names(source, module, is_package=False, lazy=True):
    """What a module imports: 'mmisl.<room>' or the top name of a package.

    ``lazy=False`` leaves out imports inside functions.
    """
    package = module if is_package else module.rpartition('.')[0]
    pending = [ast.parse(source)]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parts = package.split('.')
            parts = parts[: len(parts) - node.level + 1] if node.level else []
            base = '.'.join([*parts, *([node.module] if node.module else [])])
            targets = [f'{base}.{alias.name}' for alias in node.names]
        else:
            is_function = isinstance(
                node, (ast.FunctionDef, ast.AsyncFunctionDef)
            )
            if lazy or not is_function:
                pending.extend(ast.iter_child_nodes(node))
            continue
        for target in targets:
            top, _, rest = target.partition('.')
            yield f'mmisl.{rest.partition(".")[0]}' if top == 'mmisl' else top


def violations(source, module, rules, is_package=False):
    """Names that a module imports and the table does not allow."""
    room = room_of(module)
    allowed, is_lazy = rules.get(room, (set(), False))
    own = {f'mmisl.{room}', 'mmisl.__version__'}
    names = set(imported_names(source, module, is_package, lazy=not is_lazy))
    if is_lazy:
        common = set()
        inside = set(imported_names(source, module, is_package))
        names |= {name for name in inside if name.startswith('mmisl')}
    else:
        common = COMMON
    return names - allowed - own - common - set(sys.stdlib_module_names)


RULES = read_table()
MODULES = list(list_modules())


def test_read_table__every_room_is_seen():
    rooms = {room_of(module) for _, module in MODULES} - ROOMLESS
    assert rooms == set(RULES) - {'tools'}
    assert RULES['tools'] == ({'everything'}, False)
    assert RULES['environment'][1]
    assert 'mmisl.registry' in RULES['models'][0]


def test_list_modules__number_of_modules():
    assert len(MODULES) == NUM_MODULES


@pytest.mark.parametrize('path, module', MODULES, ids=[m for _, m in MODULES])
def test_imports__follow_the_table(path, module):
    if room_of(module) in ROOMLESS:
        rules = {room_of(module): ({'mmisl.version'}, True)}
    else:
        rules = RULES
    wrong = violations(
        path.read_text(), module, rules, path.name == '__init__.py'
    )
    assert not wrong, (
        f'{module} imports {sorted(wrong)}, which docs/design.md does not '
        f'allow in {room_of(module)}'
    )


@pytest.mark.parametrize(
    'module, line, wrong',
    [
        ('mmisl.ops.a', 'import mmpretrain.models', {'mmpretrain'}),
        ('mmisl.ops.a', 'from ..structures import b', {'mmisl.structures'}),
        ('mmisl.models.heads.a', 'from ...engine import b', {'mmisl.engine'}),
        ('mmisl.models.heads.a', 'from ... import engine', {'mmisl.engine'}),
        ('mmisl.models.heads.a', 'from mmisl import engine', {'mmisl.engine'}),
        ('mmisl.models.heads.a', 'from ..necks import b', set()),
        ('mmisl.engine.a', 'def f():\n  import mmisl.models.b as m',
         {'mmisl.models'}),
        ('mmisl.environment', 'import torch', {'torch'}),
        ('mmisl.environment', 'def f():\n    import torch', set()),
        ('mmisl.environment', 'def f():\n    from . import ops',
         {'mmisl.ops'}),
    ],
)  # fmt: skip
def test_violations__are_found(module, line, wrong):
    assert violations(line, module, RULES) == wrong


def test_import_mmisl__is_cheap():
    code = 'import sys, mmisl; print(*sorted(sys.modules), mmisl.__version__)'
    output = subprocess.run(
        [sys.executable, '-c', code],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    assert output[-1].count('.') == 2
    loaded = {name for name in output if name.startswith('mmisl')}
    assert loaded == {'mmisl', 'mmisl.version'}
    assert not {'torch', 'numpy', 'mmengine'} & set(output)
