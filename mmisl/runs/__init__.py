from .checkpoints import find_checkpoint, is_whole
from .names import short_names
from .record import RunRecord, read_run
from .scalars import merge_scalars, read_scalars

__all__ = [
    'RunRecord',
    'find_checkpoint',
    'is_whole',
    'merge_scalars',
    'read_run',
    'read_scalars',
    'short_names',
]
