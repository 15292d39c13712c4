"""faiss, imported when it is used."""

from __future__ import annotations

import importlib
from types import ModuleType

import torch


def import_faiss(otherwise: str) -> ModuleType:
    """Import faiss, after torch: both bring an OpenMP, and torch's must win.

    Args:
        otherwise (str): What to do where it cannot be installed.

    Raises:
        ImportError: If it is not installed.
    """
    try:
        faiss = importlib.import_module('faiss')
    except ImportError as error:
        raise ImportError(
            'faiss is not installed; install it with pip install '
            f"'mmisl[cpu]' ('mmisl[gpu]' for CUDA), or {otherwise}"
        ) from error
    faiss.omp_set_num_threads(torch.get_num_threads())
    return faiss
