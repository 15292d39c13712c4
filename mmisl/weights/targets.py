"""The way out: a backbone as another toolbox reads it."""

from __future__ import annotations

import os
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .architectures import (
    RESNETS,
    check_resnet,
    describe_network,
    recognise_resnet,
)
from .backbone_arguments import unlike_torchvision
from .checkpoints import BACKBONE
from .preprocessing import META_KEY
from .sources import Backbone

# Toolboxes that build any backbone of mmisl by its scope, under its own keys.
_OPENMMLAB = ('mmisl', 'mmdet', 'mmpretrain')
_OTHERS = ('torchvision', 'timm', 'detectron2')
TARGETS = (*_OPENMMLAB, *_OTHERS)
# detectron2 tells what it reads by the end of the name.
SUFFIXES = {target: '.pth' for target in TARGETS} | {'detectron2': '.pkl'}

# Names of torchvision and what detectron2 calls them; a block is residual,
# what is in no stage the stem.
_DETECTRON2 = (
    (r'^(?=conv|bn)', 'stem.'),
    (r'^layer(\d)', lambda found: f'res{int(found[1]) + 1}'),
    (r'\bbn(\d)', r'conv\1.norm'),
    (r'\bdownsample\.0', 'shortcut'),
    (r'\bdownsample\.1', 'shortcut.norm'),
)


def check_target(backbone: Backbone, target: str) -> str | None:
    """Insist that a toolbox has such a network.

    Args:
        backbone (Backbone): From :func:`take_backbone`.
        target (str): One of :data:`TARGETS`.

    Returns:
        str | None: What torchvision and timm call the network; None if they
        have no such one, and need not.

    Raises:
        ValueError: If the target has none, or one that computes something
            else with the same weights.
    """
    name = recognise_resnet(backbone.state)
    if target in _OPENMMLAB:
        return name
    if name is None:
        raise ValueError(
            f'{target} has no such network: this is '
            f'{describe_network(backbone.state)}, and {target} can take '
            f'{", ".join(RESNETS)} with a 7x7 stem; --to mmpretrain and --to '
            'mmdet take every backbone that mmisl trains'
        )
    check_resnet(backbone.state, name)
    if argument := unlike_torchvision(backbone.config):
        raise ValueError(
            f'the backbone was trained with {argument}: with the same keys '
            f'{target} computes something else; --to mmpretrain and --to '
            'mmdet can be built as it was trained'
        )
    return name


def detectron2_key(key: str) -> str:
    """Name that detectron2 has for an entry of torchvision's ResNet.

    The rule is that of ``detection/convert-pretrain-to-detectron2.py`` of
    MoCo's authors.

    Example:
        >>> detectron2_key('layer1.0.downsample.1.weight')
        'res2.0.shortcut.norm.weight'
    """
    for pattern, replacement in _DETECTRON2:
        key = re.sub(pattern, replacement, key)
    return key


def write_backbone(
    backbone: Backbone, path: Path, *, target: str, meta: Mapping[str, Any]
) -> None:
    """Write a backbone whole or not at all.

    Args:
        backbone (Backbone): With its preprocessing.
        path (Path): File to write.
        target (str): One of :data:`TARGETS`.
        meta (Mapping[str, Any]): Plain values to be stored with it.

    Raises:
        ValueError: If the target has no such network, if the preprocessing is
            not known, or if the name of the file does not fit.
    """
    name = check_target(backbone, target)
    if backbone.preprocessing is None:
        raise ValueError(
            'the checkpoint does not say what its weights were trained on; '
            'give --channel-order, --mean and --std'
        )
    if path.suffix != SUFFIXES[target]:
        raise ValueError(
            f'OUT ({path}) must end with {SUFFIXES[target]} for {target}'
        )
    stored = {
        **meta,
        'source': backbone.source,
        META_KEY: backbone.preprocessing.to_meta(),
    }
    if name is not None:
        stored['network'] = name
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f'{path.name}.partial')
    try:
        with open(partial, 'wb') as file:
            _dump(backbone.state, stored, file, target)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _dump(
    state: Mapping[str, Tensor], meta: dict[str, Any], file: Any, target: str
) -> None:
    if target == 'detectron2':
        arrays = {detectron2_key(k): v.numpy() for k, v in state.items()}
        assert len(arrays) == len(state)
        content = dict(
            model=arrays,
            __author__='mmisl',
            # A detector has the backbone below names of its own, which
            # detectron2 finds by the ends of the keys.
            matching_heuristics=True,
            meta=meta,
        )
        pickle.dump(content, file)
        return
    prefix = BACKBONE if target == 'mmisl' else ''
    # Copies: a tensor that is mapped may be part of a larger storage.
    weights = {f'{prefix}{key}': value.clone() for key, value in state.items()}
    torch.save(dict(meta=meta, state_dict=weights), file)
