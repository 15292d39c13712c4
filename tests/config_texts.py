"""mmengine formats a config six times a run; here every text once.

Imported before a config is. A text takes yapf up to a third of a second, for
the log, the copy in the work dir, and anew for each checkpoint.
"""

import functools

from yapf.yapflib import yapf_api

_format_code = yapf_api.FormatCode


@functools.lru_cache(maxsize=64)
def _formatted(code, style):
    return _format_code(code, style_config=dict(style))


def _remembered(code, style_config):
    """``FormatCode`` with the arguments that mmengine gives it."""
    return _formatted(code, tuple(style_config.items()))


yapf_api.FormatCode = _remembered
