import os

# Before torch is imported: tests are small, and more threads than that only
# wait for each other.
os.environ.setdefault('OMP_NUM_THREADS', '1')

import random

import numpy as np
import pytest
import torch


@pytest.fixture(autouse=True)
def seed():
    """Same random numbers for a test, whatever ran before it."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
