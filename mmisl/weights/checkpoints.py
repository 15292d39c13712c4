"""Weights of an encoder out of a checkpoint, all of them or an error."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

# What computes features: a checkpoint also holds bank, graph and miner.
BACKBONE = 'backbone.'
ENCODER = (BACKBONE, 'neck.')


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint, its tensors mapped and not copied.

    Args:
        path (str | Path): Of a file that ``torch.save`` wrote.

    Returns:
        dict[str, Any]: What it holds; at least ``state_dict``, also where the
        file is nothing but one.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it was cut short, is another kind of file, or holds
            more than tensors and plain values.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'checkpoint {path} does not exist')
    # The end of the file lists what it holds.
    mapped = zipfile.is_zipfile(path)
    try:
        loaded = torch.load(
            path, map_location='cpu', mmap=mapped, weights_only=True
        )
    except OSError:
        raise
    # torch promises no list of what other files make it raise.
    except Exception as e:
        raise ValueError(
            f'{path} is no whole checkpoint of tensors and plain values: it '
            'was cut short, or is another kind of file'
        ) from e
    state = loaded.get('state_dict') if isinstance(loaded, dict) else None
    if state is None:
        state, loaded = loaded, dict(state_dict=loaded)
    if not isinstance(state, dict) or not all(
        isinstance(value, Tensor) for value in state.values()
    ):
        raise ValueError(
            f'{path} holds no state dict; give a checkpoint of a run, or a '
            'file made by tools/convert_backbone.py'
        )
    return loaded


def encoder_state(
    checkpoint: dict[str, Any], prefixes: Sequence[str] = ENCODER
) -> dict[str, Tensor]:
    """Entries of a checkpoint's state dict that begin with a prefix.

    Args:
        checkpoint (dict[str, Any]): From :func:`read_checkpoint`.
        prefixes (Sequence[str]): Such as ``('backbone.',)``.

    Returns:
        dict[str, Tensor]: Under their own keys; empty where there are none.
    """
    state = checkpoint['state_dict']
    return {k: v for k, v in state.items() if k.startswith(tuple(prefixes))}


def part_state(
    checkpoint: dict[str, Any], prefix: str = BACKBONE
) -> dict[str, Tensor]:
    """Entries of a checkpoint below a prefix, without it.

    Args:
        checkpoint (dict[str, Any]): From :func:`read_checkpoint`.
        prefix (str): Such as ``'backbone.layer4.'``. In a file that was
            converted for another toolbox all is the backbone's, without
            ``'backbone.'``. Defaults to ``'backbone.'``.
    """
    state = checkpoint['state_dict']
    if not encoder_state(checkpoint, (BACKBONE,)):
        state = {BACKBONE + key: value for key, value in state.items()}
    return {
        key.removeprefix(prefix): value
        for key, value in state.items()
        if key.startswith(prefix)
    }


def load_encoder(
    model: nn.Module, path: str | Path, parts: Sequence[str] = ENCODER
) -> dict[str, Any]:
    """Give parts of a model the weights of a checkpoint, all or none.

    Args:
        model (nn.Module): Its other parts stay as they are.
        path (str | Path): Of the checkpoint.
        parts (Sequence[str]): Prefixes of the keys to load.

    Returns:
        dict[str, Any]: The checkpoint, for what else it tells.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no checkpoint, or its keys or shapes are not
            those of the model.
    """
    checkpoint = read_checkpoint(path)
    expected = {
        k: v
        for k, v in model.state_dict().items()
        if k.startswith(tuple(parts))
    }
    _copy_into(model, expected, encoder_state(checkpoint, parts), path)
    return checkpoint


def load_backbone(backbone: nn.Module, path: str | Path) -> dict[str, Any]:
    """Give a backbone the weights under ``backbone.`` of a checkpoint.

    Args:
        backbone (nn.Module): Keys without that prefix.
        path (str | Path): Of the checkpoint.

    Returns:
        dict[str, Any]: The checkpoint, for what else it tells.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no checkpoint, or its keys or shapes are not
            those of the backbone.
    """
    checkpoint = read_checkpoint(path)
    state = part_state(checkpoint)
    _copy_into(backbone, backbone.state_dict(), state, path)
    return checkpoint


def key_mismatch(expected: set[str], given: set[str]) -> str:
    """Keys that a state dict lacks or has too many, up to five of each.

    Returns:
        str: Goes on a sentence that begins with "the checkpoint"; empty
        where the keys are the same.
    """
    complaints = []
    for label, keys in (
        ('misses', expected - given),
        ('has, unknown to the model,', given - expected),
    ):
        if keys:
            shown = ', '.join(sorted(keys)[:5])
            more = f' and {len(keys) - 5} more' if len(keys) > 5 else ''
            complaints.append(f'{label} {shown}{more}')
    return '; it '.join(complaints)


def state_mismatch(
    expected: Mapping[str, Tensor],
    given: Mapping[str, Tensor],
    *,
    owner: str = 'model',
) -> str:
    """As :func:`key_mismatch`, then the first entry of another shape.

    ``owner`` is what the message calls the side of ``expected``.
    """
    complaint = key_mismatch(set(expected), set(given))
    if complaint:
        return complaint
    for key, value in given.items():
        if value.shape != expected[key].shape:
            return (
                f'has {key} of shape {tuple(value.shape)}, the {owner} of '
                f'{tuple(expected[key].shape)}'
            )
    return ''


def _copy_into(
    model: nn.Module,
    expected: dict[str, Tensor],
    state: dict[str, Tensor],
    path: str | Path,
) -> None:
    complaint = state_mismatch(expected, state)
    if complaint:
        raise ValueError(
            f'the checkpoint {path} {complaint}. Use the config it was '
            'trained with'
        )
    model.load_state_dict(state, strict=False)
