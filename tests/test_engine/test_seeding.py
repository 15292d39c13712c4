import random

import numpy as np
import pytest
import torch

from mmisl.engine.seeding import derive_seed, reseed


def drawn():
    """One number from every generator of the process."""
    return random.random(), np.random.rand(), torch.rand(()).item()


def test_derive_seed__keys_in_use_give_other_seeds():
    keys = [
        (seed, *rest)
        for seed in range(5)
        for rest in (
            *(('mining', round_idx) for round_idx in range(10)),
            *(('encoder', e, rank) for e in range(50) for rank in range(4)),
        )
    ]
    seeds = {derive_seed(*key) for key in keys}
    assert len(seeds) == len(keys)
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_derive_seed__order_and_purpose_matter():
    assert derive_seed(1, 'encoder', 2) == derive_seed(1, 'encoder', 2)
    for other in [(2, 'encoder', 1), (1, 'mining', 2), (1, 'encoder', 2, 1)]:
        assert derive_seed(*other) != derive_seed(1, 'encoder', 2)


def test_derive_seed__is_the_same_on_every_machine():
    # A change of these numbers changes every run that is resumed.
    assert derive_seed(0, 'mining', 1) == 2145369180805156894
    assert derive_seed(3, 'encoder', 7, 0) == 7666227551885000650


def test_reseed__sets_every_generator_whatever_ran_before():
    reseed(7, 'encoder', 3)
    first = drawn()
    drawn()
    reseed(7, 'encoder', 3)
    assert drawn() == first
    reseed(7, 'encoder', 4)
    assert all(a != b for a, b in zip(drawn(), first, strict=True))


@pytest.mark.parametrize('seed', [0, 2**32 - 1, 2**63 - 1])
def test_reseed__takes_any_seed(seed):
    reseed(seed)
    first = drawn()
    reseed(seed)
    assert drawn() == first
