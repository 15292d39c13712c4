"""Random numbers that do not depend on what ran before."""

from __future__ import annotations

import hashlib
import random

import numpy as np
import torch


def derive_seed(*key: int | str) -> int:
    """One 63-bit seed from a run's seed, a purpose and a counter.

    Args:
        *key: Integers and words; different keys give independent seeds.

    Returns:
        int: In [0, 2^63).
    """
    digest = hashlib.blake2b(repr(key).encode(), digest_size=8).digest()
    return int.from_bytes(digest, 'little') >> 1


def reseed(*key: int | str) -> None:
    """Seed every generator of this process from a key.

    Called at the start of each epoch, it makes an epoch the same whether the
    run came there in one piece or was resumed.
    """
    seed = derive_seed(*key)
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
