"""Whether weights are still the same."""

from __future__ import annotations

import hashlib

import torch
from torch import nn


def fingerprint(model: nn.Module) -> str:
    """SHA-256 over all parameters and buffers, with names and shapes.

    Args:
        model (nn.Module): On any device.

    Returns:
        str: 64 hexadecimal digits; the same for the same bits only.
    """
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(f'{name} {value.dtype} {tuple(value.shape)};'.encode())
        flat = value.detach().cpu().contiguous().flatten()
        # Bytes, because numpy knows no bfloat16.
        digest.update(flat.view(dtype=torch.uint8).numpy().tobytes())
    return digest.hexdigest()
