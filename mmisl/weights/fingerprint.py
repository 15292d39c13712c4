"""Whether weights are still the same."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor, nn


def fingerprint(model: nn.Module) -> str:
    """SHA-256 over all parameters and buffers, with names and shapes.

    Args:
        model (nn.Module): On any device.

    Returns:
        str: 64 hexadecimal digits; the same for the same bits only.
    """
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        _add(digest, name, value)
    return digest.hexdigest()


def fingerprints(model: nn.Module) -> dict[str, str]:
    """SHA-256 of every parameter and buffer, to tell which has changed.

    Args:
        model (nn.Module): On any device.

    Returns:
        dict[str, str]: 64 hexadecimal digits by name, in the model's order.
    """
    digests = {}
    for name, value in model.state_dict().items():
        digest = hashlib.sha256()
        _add(digest, name, value)
        digests[name] = digest.hexdigest()
    return digests


def _add(digest: hashlib._Hash, name: str, value: Tensor) -> None:
    digest.update(f'{name} {value.dtype} {tuple(value.shape)};'.encode())
    flat = value.detach().cpu().contiguous().flatten()
    # Bytes, because numpy knows no bfloat16.
    digest.update(flat.view(dtype=torch.uint8).numpy().tobytes())
