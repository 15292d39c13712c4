"""Names the slip in a config before anything is built."""

from .check import ConfigError, check_config
from .overrides import check_overrides

__all__ = ['ConfigError', 'check_config', 'check_overrides']
