from .checkpoints import (
    encoder_state,
    key_mismatch,
    load_backbone,
    load_encoder,
    read_checkpoint,
)
from .fingerprint import fingerprint

__all__ = [
    'encoder_state',
    'fingerprint',
    'key_mismatch',
    'load_backbone',
    'load_encoder',
    'read_checkpoint',
]
