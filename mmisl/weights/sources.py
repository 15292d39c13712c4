"""The way in: a backbone out of a checkpoint, whoever wrote it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from .architectures import (
    RESNETS,
    check_resnet,
    describe_network,
    recognise_resnet,
)
from .checkpoints import BACKBONE
from .preprocessing import IMAGENET, Preprocessing, stored_preprocessing

# How a config inside a checkpoint shows that mmisl wrote it.
_MMISL_CONFIG = "default_scope = 'mmisl'"


@dataclass(frozen=True)
class Source:
    """Where in a checkpoint the backbone lies, and what else there may be.

    Attributes:
        prefix: Of the backbone's keys.
        others: Names of what is left out, each a key or what stands before a
            dot. Anything else is an error.
        preprocessing: What such weights were trained on, if all of them were
            on the same.
        is_resnet: Whether the backbone has to be one of :data:`RESNETS`.
    """

    prefix: str
    others: tuple[str, ...]
    preprocessing: Preprocessing | None
    is_resnet: bool


@dataclass(frozen=True)
class Backbone:
    """A backbone on its way from one toolbox to another.

    Attributes:
        state: Its state dict, without prefix.
        preprocessing: What it was trained on, if known.
        source: Key of :data:`SOURCES`.
        dropped: Names of what was left out, and their number of keys.
        filled: Number of BN counters that the file was too old to have.
        config: The config that it was trained with, as text; may be empty.
    """

    state: dict[str, Tensor]
    preprocessing: Preprocessing | None
    source: str
    dropped: dict[str, int] = field(default_factory=dict)
    filled: int = 0
    config: str = ''


_OPENMMLAB_OTHERS = ('neck', 'head', 'data_preprocessor')
SOURCES = {
    'torchvision': Source('', ('fc',), IMAGENET, True),
    'timm': Source('', ('fc',), IMAGENET, True),
    # moco/builder.py, wrapped by DistributedDataParallel.
    'moco': Source(
        'module.encoder_q.',
        (
            'module.encoder_q.fc',
            'module.encoder_k',
            'module.queue',
            'module.queue_ptr',
        ),
        IMAGENET,
        True,
    ),
    'mmpretrain': Source(
        BACKBONE,
        (*_OPENMMLAB_OTHERS, 'encoder_k', 'queue', 'queue_ptr'),
        IMAGENET,
        False,
    ),
    # Before version 1.0 MoCo's backbone lay in encoder_q as well.
    'mmselfsup': Source(
        BACKBONE,
        (
            *_OPENMMLAB_OTHERS,
            'encoder_q',
            'encoder_k',
            'queue',
            'queue_ptr',
            'memory_bank',
            'target_net',
        ),
        IMAGENET,
        False,
    ),
    'mmisl': Source(
        BACKBONE,
        (
            *_OPENMMLAB_OTHERS,
            'memory',
            'graph',
            'clusters',
            'miner',
            'queue',
            'encoder_k',
            'warmup_head',
            'probes',
        ),
        None,
        False,
    ),
}


def take_backbone(
    checkpoint: Mapping[str, Any], source: str = 'auto'
) -> Backbone:
    """Take the backbone out of a checkpoint; every key is accounted for.

    Args:
        checkpoint (Mapping[str, Any]): From :func:`read_checkpoint`.
        source (str): Key of :data:`SOURCES`, or ``'auto'``.

    Returns:
        Backbone: Tensors are those of the checkpoint, not copies.

    Raises:
        ValueError: If there is no backbone, a key is neither part of it nor
            known to be left out, or it is not the network it should be.
    """
    name = guess_source(checkpoint) if source == 'auto' else source
    spec = SOURCES[name]
    state, dropped, unknown = _split(checkpoint['state_dict'], name)
    if not state:
        raise ValueError(
            f'no backbone found: as a checkpoint of {name} it would have keys '
            f'that begin with {spec.prefix!r}, but the first is '
            f'{next(iter(checkpoint["state_dict"]), "missing")}; name what '
            f'wrote it: {", ".join(SOURCES)}'
        )
    if unknown:
        raise ValueError(
            f'a checkpoint of {name} has a backbone below {spec.prefix!r}, '
            f'and may have {", ".join(spec.others)}; this one also has '
            f'{", ".join(unknown)}'
        )
    filled = _fill_counters(state) if spec.is_resnet else 0
    if spec.is_resnet:
        _insist_on_resnet(state, name)
    return Backbone(
        state=state,
        preprocessing=stored_preprocessing(dict(checkpoint))
        or spec.preprocessing,
        source=name,
        dropped=dropped,
        filled=filled,
        config=_config_text(checkpoint),
    )


def guess_source(checkpoint: Mapping[str, Any]) -> str:
    """Who wrote a checkpoint, by its keys.

    torchvision and timm have the same keys and are taken for the same, as
    are mmpretrain and mmselfsup 1.0.
    """
    state = checkpoint['state_dict']
    if any(key.startswith(SOURCES['moco'].prefix) for key in state):
        return 'moco'
    is_mmisl = _MMISL_CONFIG in _config_text(checkpoint)
    if is_mmisl or stored_preprocessing(dict(checkpoint)) is not None:
        return 'mmisl'
    if any(key.startswith('encoder_q.') for key in state):
        return 'mmselfsup'
    if any(key.startswith(BACKBONE) for key in state):
        return 'mmpretrain'
    return 'torchvision'


def _split(
    state: Mapping[str, Tensor], source: str
) -> tuple[dict[str, Tensor], dict[str, int], list[str]]:
    """Backbone, number of keys of each part left out, keys of neither."""
    spec = SOURCES[source]
    prefix = spec.prefix
    # What tools/convert_backbone.py made for others has no prefix.
    if source == 'mmisl' and not any(key.startswith(prefix) for key in state):
        prefix = ''
    backbone: dict[str, Tensor] = {}
    dropped: dict[str, int] = {}
    unknown = []
    for key, value in state.items():
        other = next(
            (o for o in spec.others if f'{key}.'.startswith(f'{o}.')), None
        )
        if other is not None:
            dropped[other] = dropped.get(other, 0) + 1
        elif key.startswith(prefix):
            backbone[key.removeprefix(prefix)] = value
        else:
            unknown.append(key)
    return backbone, dropped, unknown


def _fill_counters(state: dict[str, Tensor]) -> int:
    """Give BN the counters that files of torch before 0.4.1 lack.

    That is what ``nn.BatchNorm2d`` does when it loads such a file.
    """
    layers = [k.rpartition('.')[0] for k in state if k.endswith('running_var')]
    missing = [
        key
        for key in (f'{layer}.num_batches_tracked' for layer in layers)
        if key not in state
    ]
    state.update({key: torch.tensor(0) for key in missing})
    return len(missing)


def _insist_on_resnet(state: Mapping[str, Tensor], source: str) -> None:
    name = recognise_resnet(state)
    if name is None:
        raise ValueError(
            f'from {source} come {", ".join(RESNETS)}; this is '
            f'{describe_network(state)}'
        )
    check_resnet(state, name)


def _config_text(checkpoint: Mapping[str, Any]) -> str:
    meta = checkpoint.get('meta')
    text = meta.get('cfg') if isinstance(meta, dict) else None
    return text if isinstance(text, str) else ''
