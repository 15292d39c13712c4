import sys

import pytest
import torch

from mmisl.ops import import_faiss


def test_import__missing(monkeypatch):
    monkeypatch.setitem(sys.modules, 'faiss', None)
    message = (
        r"faiss is not installed; install it with pip install 'mmisl\[cpu\]' "
        r"\('mmisl\[gpu\]' for CUDA\), or choose another miner"
    )
    with pytest.raises(ImportError, match=message):
        import_faiss('choose another miner')


def test_import__takes_as_many_threads_as_torch():
    faiss = import_faiss('do without')
    assert faiss.omp_get_max_threads() == torch.get_num_threads()
