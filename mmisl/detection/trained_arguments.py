"""Arguments of a ResNet that leave no trace in its keys and shapes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from mmengine.config import Config

from mmisl.weights.backbone_arguments import (
    PLAIN,
    PLAIN_EPS,
    backbone_arguments,
)
from mmisl.weights.checkpoints import BACKBONE

Arguments = Mapping[str, Any]
# Name of an argument, its value in pretraining and its value now.
Pair = tuple[str, Any, Any]
_STAGE = re.compile(re.escape(BACKBONE) + r'layer(\d)\.')


def argument_mismatches(
    cfg: Config, checkpoint: Mapping[str, Any], parts: Mapping[str, str]
) -> Iterator[str]:
    """Arguments by which a detector computes other features of an image.

    Args:
        cfg (Config): Of the detector.
        checkpoint (Mapping[str, Any]): With the config that it was trained
            with; where that is not stored there is nothing to compare.
        parts (Mapping[str, str]): Dotted name, below ``model``, of each
            module that takes weights, and the prefix that they have in the
            checkpoint: ``'backbone.'``, or ``'backbone.layer4.'`` for a
            shared head that is the last stage.

    Yields:
        str: One line for each argument that differs.
    """
    meta = checkpoint.get('meta')
    text = meta.get('cfg') if isinstance(meta, dict) else None
    trained = backbone_arguments(text if isinstance(text, str) else '')
    if not trained:
        return
    for part, prefix in parts.items():
        path, own = _owner(cfg.model, part)
        stage = _STAGE.fullmatch(prefix)
        if prefix == BACKBONE:
            pairs = chain(_shared(trained, own), _of_backbone(trained, own))
        elif stage is not None:
            index = int(stage[1]) - 1
            pairs = chain(
                _shared(trained, own), _of_stage(trained, own, index)
            )
        else:
            continue
        for name, before, now in pairs:
            if before != now:
                yield (
                    f'model.{path} is built with {name}={now!r}, and the '
                    f'checkpoint was trained with {before!r}: the same keys '
                    f'compute something else; set model.{path}.{name} to '
                    f'{before!r}'
                )


def _shared(trained: Arguments, own: Arguments) -> Iterator[Pair]:
    """What backbone and stage both have, before and now."""
    for name in ('style', 'conv_cfg'):
        plain = PLAIN[name]
        yield name, trained.get(name, plain), own.get(name, plain)
    before, now = (
        (arguments.get('norm_cfg') or {}).get('eps', PLAIN_EPS)
        for arguments in (trained, own)
    )
    yield 'norm_cfg.eps', before, now


def _of_backbone(trained: Arguments, own: Arguments) -> Iterator[Pair]:
    for name in ('strides', 'dilations'):
        plain = PLAIN[name]
        now = tuple(own.get(name, plain))[: own.get('num_stages')]
        yield name, tuple(trained.get(name, plain))[: len(now)], now


def _of_stage(
    trained: Arguments, own: Arguments, stage: int
) -> Iterator[Pair]:
    for many, one in (('strides', 'stride'), ('dilations', 'dilation')):
        plain = PLAIN[many]
        before = tuple(trained.get(many, plain))[stage]
        yield one, before, own.get(one, plain[stage])


def _owner(model: Arguments, part: str) -> tuple[str, Arguments]:
    """The deepest config on the way to a module, and its dotted name."""
    node, names = model, []
    for name in part.split('.'):
        below = node.get(name)
        if not isinstance(below, Mapping):
            break
        node = below
        names.append(name)
    return '.'.join(names), node
