"""What a config inside a checkpoint says of its backbone, without running it.

Arguments such as strides change what a ResNet computes and leave no trace in
its keys and shapes.
"""

from __future__ import annotations

import ast
from typing import Any

# Of torchvision's ResNet, and so of all that take its weights.
PLAIN: dict[str, Any] = dict(
    style='pytorch',
    strides=(1, 2, 2, 2),
    dilations=(1, 1, 1, 1),
    conv_cfg=None,
)
PLAIN_EPS = 1e-5


def unlike_torchvision(config: str) -> str | None:
    """An argument that makes a ResNet another one than torchvision's.

    Args:
        config (str): Text of a config as mmengine dumps it; may be empty.

    Returns:
        str | None: Such as ``strides=(1, 1, 2, 2)``; None where the config
        names no such argument, or cannot be read.
    """
    backbone = backbone_arguments(config)
    for name, plain in PLAIN.items():
        value = backbone.get(name, plain)
        value = tuple(value) if isinstance(value, list) else value
        if value != plain:
            return f'{name}={value!r}'
    eps = (backbone.get('norm_cfg') or {}).get('eps', PLAIN_EPS)
    return None if eps == PLAIN_EPS else f'norm_cfg.eps={eps}'


def backbone_arguments(config: str) -> dict[str, Any]:
    """Arguments of ``model.backbone``; empty if there are none to be read.

    Args:
        config (str): Text of a config as mmengine dumps it; may be empty.
    """
    try:
        statements = ast.parse(config).body
    except (SyntaxError, ValueError):
        return {}
    for statement in statements:
        if isinstance(statement, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == 'model'
            for target in statement.targets
        ):
            model = _value(statement.value)
            found = model.get('backbone') if isinstance(model, dict) else None
            return found if isinstance(found, dict) else {}
    return {}


def _value(node: ast.expr) -> Any:
    """A literal or ``dict(...)`` of them; None for anything else."""
    if isinstance(node, ast.Call):
        return {
            keyword.arg: _value(keyword.value)
            for keyword in node.keywords
            if keyword.arg is not None
        }
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None
