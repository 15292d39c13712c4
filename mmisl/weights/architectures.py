"""Tells from a state dict which network it belongs to."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torchvision
from torch import Tensor

# Whether blocks are bottlenecks, and their number in each stage.
_RESNETS: dict[tuple[bool, tuple[int, ...]], str] = {
    (False, (2, 2, 2, 2)): 'resnet18',
    (False, (3, 4, 6, 3)): 'resnet34',
    (True, (3, 4, 6, 3)): 'resnet50',
    (True, (3, 4, 23, 3)): 'resnet101',
    (True, (3, 8, 36, 3)): 'resnet152',
}
RESNETS = tuple(_RESNETS.values())
_STEM = 'conv1.weight'
_STEM_KERNEL = 7


def describe_network(state: Mapping[str, Tensor]) -> str:
    """What a backbone seems to be, for a message.

    Args:
        state (Mapping[str, Tensor]): Of the backbone, without prefix.
    """
    stem = state.get(_STEM)
    if stem is not None and 'layer1.0.conv1.weight' in state:
        kernel = stem.shape[-1]
        small = ' (ResNet_CIFAR)' if kernel < _STEM_KERNEL else ''
        return f'a ResNet with a {kernel}x{kernel} stem{small}'
    if 'conv1.1.running_mean' in state:
        return 'an AlexNetBN'
    first = next(iter(state), 'nothing at all')
    return f'another network (its first key is {first})'


def recognise_resnet(state: Mapping[str, Tensor]) -> str | None:
    """Name that torchvision and timm have for a ResNet.

    Only counts are looked at here; :func:`check_resnet` compares the rest.

    Args:
        state (Mapping[str, Tensor]): Of the backbone, without prefix.

    Returns:
        str | None: Such as ``'resnet50'``; None for other networks, such as
        those with a stem for small images.
    """
    stem = state.get(_STEM)
    if stem is None or stem.shape[-1] != _STEM_KERNEL:
        return None
    blocks = tuple(_count_blocks(state, stage) for stage in range(1, 5))
    return _RESNETS.get(('layer1.0.conv3.weight' in state, blocks))


def check_resnet(state: Mapping[str, Tensor], name: str) -> None:
    """Insist that a state dict is that of torchvision's ResNet without fc.

    Args:
        state (Mapping[str, Tensor]): Of the backbone, without prefix.
        name (str): One of :data:`RESNETS`.

    Raises:
        ValueError: Naming all keys that miss, are too many or have another
            shape.
    """
    with torch.device('meta'):
        model = torchvision.models.get_model(name)
    model.fc = torch.nn.Identity()
    expected = {k: tuple(v.shape) for k, v in model.state_dict().items()}
    given = {k: tuple(v.shape) for k, v in state.items()}
    complaints = []
    if missing := sorted(expected.keys() - given.keys()):
        complaints.append(f'misses {", ".join(missing)}')
    if unknown := sorted(given.keys() - expected.keys()):
        complaints.append(f'has, unknown to {name}, {", ".join(unknown)}')
    shared = sorted(expected.keys() & given.keys())
    other = [key for key in shared if expected[key] != given[key]]
    if other:
        # One tells of a narrower network; all would fill the screen.
        key, more = other[0], len(other) - 1
        complaints.append(
            f'has {key} of shape {given[key]}, {name} of {expected[key]}'
            + (f', and {more} more that differ' if more else '')
        )
    if complaints:
        raise ValueError(
            f'the backbone is no plain {name}: it {"; it ".join(complaints)}'
        )


def _count_blocks(state: Mapping[str, Tensor], stage: int) -> int:
    prefix = f'layer{stage}.'
    return len({k.split('.')[1] for k in state if k.startswith(prefix)})
