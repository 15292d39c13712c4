from .checkpoints import (
    encoder_state,
    key_mismatch,
    load_backbone,
    load_encoder,
    read_checkpoint,
)
from .fingerprint import fingerprint, fingerprints

__all__ = [
    'encoder_state',
    'fingerprint',
    'fingerprints',
    'key_mismatch',
    'load_backbone',
    'load_encoder',
    'read_checkpoint',
]
