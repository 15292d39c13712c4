"""Names the slip in a config before anything is built."""

from .check import TRAINING_KEYS, ConfigError, check_config
from .overrides import check_overrides

__all__ = [
    'TRAINING_KEYS',
    'ConfigError',
    'check_config',
    'check_overrides',
]
