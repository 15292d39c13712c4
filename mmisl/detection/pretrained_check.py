"""What does not fit between a detector and the checkpoint it starts from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from torch import Tensor, nn

from mmisl.weights import (
    PretrainedParts,
    StrictPretrained,
    check_preprocessing,
    preprocessing_of,
    read_checkpoint,
    required_preprocessing,
)
from mmisl.weights.architectures import describe_network, recognise_resnet
from mmisl.weights.checkpoints import BACKBONE, part_state

from .trained_arguments import argument_mismatches

_HOOK = 'PreprocessingCheckHook'
# Modules by their dotted names, each with what loads it.
Parts = dict[str, tuple[nn.Module, StrictPretrained]]


@dataclass(frozen=True)
class PretrainedFit:
    """What a checkpoint has for a detector.

    Attributes:
        complaints: What does not fit, one line each; empty if all does.
        loaded: Number of entries for each part that fits, by its dotted
            name; empty where the detector begins with random weights.
    """

    complaints: list[str] = field(default_factory=list)
    loaded: dict[str, int] = field(default_factory=dict)


def check_pretrained(cfg: Config, *, num_processes: int = 1) -> list[str]:
    """The complaints of :func:`compare_pretrained`."""
    return compare_pretrained(cfg, num_processes=num_processes).complaints


def compare_pretrained(
    cfg: Config, *, num_processes: int = 1
) -> PretrainedFit:
    """Compare a detector with the checkpoint that its config names.

    Nothing is initialised, loaded or stopped by the first thing found: file,
    network, keys, shapes, what the keys do not show (style and strides of a
    ResNet), order of colours, mean and std, and what would go wrong before
    the first step all get their line.

    Args:
        cfg (Config): Of a detector, its ``model.init_cfg`` a
            :class:`mmisl.PretrainedParts`; None stands for random weights.
        num_processes (int): That will train it. Defaults to 1.

    Returns:
        PretrainedFit: Complaints, and what fits.
    """
    scope = cfg.get('default_scope') or 'mmdet'
    # Not on the meta device, where not every backbone can be built.
    with DefaultScope.overwrite_default_scope(scope):
        detector = MODELS.build(cfg.model)
    fit = PretrainedFit()
    fit.complaints.extend(_unsynchronisable(cfg, detector, num_processes))
    # Only None says that random weights are meant.
    init_cfg = cfg.model.get('init_cfg', 'missing')
    if init_cfg is None:
        return fit
    if (
        not isinstance(init_cfg, Mapping)
        or _type_name(init_cfg) != PretrainedParts.__name__
    ):
        fit.complaints.append(
            f'model.init_cfg is {init_cfg}, which loads no backbone '
            "strictly; give dict(type='mmisl.PretrainedParts', "
            'checkpoint=..., parts=...), as configs/detection do'
        )
        return fit
    if not any(_type_name(h) == _HOOK for h in cfg.get('custom_hooks') or ()):
        fit.complaints.append(
            f'custom_hooks has no mmisl.{_HOOK}, so nothing insists before '
            'the first step that the weights are there and see their '
            f"colours; add dict(type='mmisl.{_HOOK}')"
        )
    arguments = {k: v for k, v in init_cfg.items() if k != 'type'}
    _compare(cfg, detector, PretrainedParts(**arguments), fit)
    return fit


def _compare(
    cfg: Config,
    detector: nn.Module,
    source: PretrainedParts,
    fit: PretrainedFit,
) -> None:
    """Add to ``fit`` what the checkpoint shows."""
    try:
        checkpoint = read_checkpoint(source.checkpoint)
    except (OSError, ValueError) as error:
        fit.complaints.append(f'checkpoint: {error}')
        return
    parts: Parts = {}
    for name, initializer in source.initializers.items():
        try:
            parts[name] = detector.get_submodule(name), initializer
        except AttributeError:
            children = ', '.join(
                child for child, _ in detector.named_children()
            )
            fit.complaints.append(
                f'model.init_cfg.parts: {type(detector).__name__} has no '
                f'module {name!r}; it consists of {children}'
            )
    fit.complaints.extend(_compare_weights(checkpoint, parts, fit.loaded))
    prefixes = {name: i.prefix for name, (_, i) in parts.items()}
    for complaint in argument_mismatches(cfg, checkpoint, prefixes):
        fit.complaints.append(f'architecture: {complaint}')
    try:
        stored = required_preprocessing(checkpoint, source.checkpoint)
        own = preprocessing_of(cfg)
        check_preprocessing(stored, own, checkpoint=source.checkpoint)
    except ValueError as error:
        fit.complaints.append(f'colours: {error}')


def _compare_weights(
    checkpoint: dict[str, Any], parts: Parts, loaded: dict[str, int]
) -> list[str]:
    """Complaints of all parts; ``loaded`` gets the others' entries."""
    given = part_state(checkpoint)
    wanted = _backbone_wanted(parts)
    is_named = any(
        key.startswith(BACKBONE) for key in checkpoint['state_dict']
    )
    if not is_named and not given.keys() & wanted.keys():
        return [
            'backbone: the checkpoint has none that could be told, its first '
            f'key is {next(iter(checkpoint["state_dict"]), "missing")}; give '
            'a checkpoint of a run, or take the backbone out of a file of '
            'another toolbox with tools/convert_backbone.py'
        ]
    complaints = []
    for name, (module, initializer) in parts.items():
        try:
            loaded[name] = len(initializer.matching_state(module))
        except ValueError as error:
            complaints.append(f'{name}: {error}')
    seems, built = _describe(given), _describe(wanted)
    if complaints and seems != built:
        complaints.insert(
            0,
            f'architecture: the checkpoint seems to be of {seems}, and the '
            f'detector is built as {built}',
        )
    return complaints


def _backbone_wanted(parts: Parts) -> dict[str, Tensor]:
    """What the parts take of a backbone, under the keys of the backbone."""
    wanted: dict[str, Tensor] = {}
    for module, initializer in parts.values():
        if not initializer.prefix.startswith(BACKBONE):
            continue
        stage = initializer.prefix.removeprefix(BACKBONE)
        wanted |= {
            f'{stage}{key}': value
            for key, value in module.state_dict().items()
            if not key.startswith(initializer.keep)
        }
    return wanted


def _describe(state: Mapping[str, Tensor]) -> str:
    """Network and width, as far as keys and shapes tell."""
    name = recognise_resnet(state) or describe_network(state)
    first = next((v for v in state.values() if v.ndim == 4), None)
    return name if first is None else f'{name}, {len(first)} channels wide'


def _unsynchronisable(
    cfg: Config, detector: nn.Module, num_processes: int
) -> list[str]:
    """SyncBN that several processes without GPUs would stumble over."""
    if num_processes == 1 or torch.cuda.is_available():
        return []
    lacking = (
        f'synchronises batch norm, which needs GPUs, and {num_processes} '
        'processes have none; take one process, or'
    )
    complaints = []
    if kind := cfg.get('sync_bn'):
        complaints.append(
            f'sync_bn={kind!r} {lacking} --cfg-options sync_bn=None'
        )
    names = [
        name
        for name, module in detector.named_modules()
        if isinstance(module, nn.SyncBatchNorm)
    ]
    if names:
        complaints.append(
            f'model: SyncBN ({names[0]}, {len(names)} in all) {lacking} BN in '
            'norm_cfg'
        )
    return complaints


def _type_name(node: Mapping[str, Any]) -> str:
    """Name of the type of a dict, without scope or package."""
    kind = node.get('type', '')
    return getattr(kind, '__name__', kind).rpartition('.')[2]
