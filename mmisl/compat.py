"""Errors of dependencies that are worked round, each in one place."""

from __future__ import annotations

import contextlib
import importlib
import io


def import_mmpretrain_datasets() -> None:
    """Import ``mmpretrain.datasets`` without its line on stdout.

    mmpretrain 1.3.6 means to log at debug level that an optional package is
    missing, but prints ``Could not import OneDL`` into every program.
    """
    with contextlib.redirect_stdout(io.StringIO()):
        importlib.import_module('mmpretrain.datasets')
