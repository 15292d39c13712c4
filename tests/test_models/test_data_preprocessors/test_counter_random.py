import numpy as np
import pytest
import torch
from scipy import stats

from mmisl.ops.counter_random import draw_uniform, mix

MASK = 2**64 - 1


def splitmix64(state, count):
    """The published generator, in Python's integers."""
    for _ in range(count):
        state = (state + 0x9E3779B97F4A7C15) & MASK
        word = state
        word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & MASK
        yield word ^ (word >> 31)


def scalar_draws(key, num_draws):
    state = 0
    for word in key:
        (state,) = splitmix64(state ^ (word & MASK), 1)
    return [(word >> 11) / 2**53 for word in splitmix64(state, num_draws)]


def test_splitmix64__published_numbers():
    # Of the generator's test vector for seed 1234567.
    assert list(splitmix64(1234567, 2)) == [
        6457827717110365317,
        3203168211198807973,
    ]


def test_mix__equals_the_published_generator():
    seeds = [0, 5, 2**40 + 3]
    gamma = 0x9E3779B97F4A7C15 - 2**64
    found = mix(torch.tensor(seeds) + gamma)
    for seed, word in zip(seeds, found.tolist(), strict=True):
        assert [word & MASK] == list(splitmix64(seed, 1))


def test_draw_uniform__equals_scalar_loop():
    keys = [(1, 0, 0, 0), (1, 7, 49_999, 0), (2**62, 3, -5, 2)]
    found = draw_uniform(torch.tensor(keys), 5)
    assert found.dtype == torch.float64
    assert found.tolist() == [scalar_draws(key, 5) for key in keys]


def test_draw_uniform__neither_batch_nor_count_matters():
    keys = torch.tensor([(1, 4, index, 0) for index in range(7)])
    whole = draw_uniform(keys, 6)
    assert torch.equal(draw_uniform(keys[[5, 2]], 3), whole[[5, 2], :3])


@pytest.mark.parametrize('word', range(4))
def test_draw_uniform__every_word_counts(word):
    keys = torch.zeros(2000, 4, dtype=torch.int64)
    keys[:, word] = torch.arange(2000)
    found = draw_uniform(keys, 3)

    for draw in found.unbind(1):
        assert stats.kstest(draw.numpy(), 'uniform').pvalue > 0.01
    # Neither do neighbours follow each other, nor draws of one key.
    assert abs(np.corrcoef(found[:-1, 0], found[1:, 0])[0, 1]) < 0.07
    assert abs(np.corrcoef(found[:, 0], found[:, 1])[0, 1]) < 0.07
