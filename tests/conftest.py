import os

# Before torch is imported: tests are small, and more threads than that only
# wait for each other.
os.environ.setdefault('OMP_NUM_THREADS', '1')

import random

import config_texts  # noqa: F401
import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope


@pytest.fixture(autouse=True)
def seed():
    """Same random numbers for a test, whatever ran before it."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


@pytest.fixture(autouse=True, scope='module')
def default_scope():
    """A runner leaves its scope behind; every module begins without it."""
    before = dict(DefaultScope._instance_dict)
    yield
    DefaultScope._instance_dict.clear()
    DefaultScope._instance_dict.update(before)
