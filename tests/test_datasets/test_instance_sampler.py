from functools import lru_cache
from unittest import mock

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmpretrain.datasets import BaseDataset

from mmisl.datasets import InstanceDataset, InstanceSampler
from mmisl.registry import DATA_SAMPLERS


class Numbered(BaseDataset):
    def __init__(self, size):
        self.size = size
        transforms = [
            dict(type='mmpretrain.RandomCrop', crop_size=3),
            dict(type='mmpretrain.PackInputs'),
        ]
        super().__init__(ann_file='', pipeline=transforms)

    def load_data_list(self):
        rng = np.random.default_rng(0)
        shape = (6, 5, 3)  # (H, W, C)
        return [
            dict(img=rng.integers(0, 256, shape, dtype=np.uint8))
            for _ in range(self.size)
        ]


@lru_cache
def make_dataset(size, times=1):
    if times == 1:
        return InstanceDataset(Numbered(size))
    wrapped = dict(
        type='RepeatDataset',
        times=times,
        dataset=dict(type=Numbered, size=size),
    )
    return InstanceDataset(wrapped)


def on_rank(rank, world_size, *args, sampler=InstanceSampler, **kwargs):
    with mock.patch(
        'mmisl.datasets.instance_sampler.get_dist_info',
        return_value=(rank, world_size),
    ):
        return sampler(*args, **kwargs)


def batches(keys, batch_size):
    return [keys[i : i + batch_size] for i in range(0, len(keys), batch_size)]


@settings(max_examples=60, deadline=None)
@given(
    size=st.integers(2, 23),
    world_size=st.integers(1, 6),
    batch_size=st.integers(1, 5),
    epoch=st.integers(0, 3),
)
def test_iter__ranks_share_the_batches_of_one_process(
    size, world_size, batch_size, epoch
):
    dataset = make_dataset(size)
    alone = InstanceSampler(dataset, seed=1)
    alone.set_epoch(epoch)
    ranks = [
        on_rank(r, world_size, dataset, seed=1) for r in range(world_size)
    ]
    per_rank = []
    for sampler in ranks:
        sampler.set_epoch(epoch)
        keys = list(sampler)
        assert len(keys) == len(sampler) == -(-size // world_size)
        per_rank.append(batches(keys, batch_size))

    whole = batches(list(alone), batch_size * world_size)
    assert len(whole) == len(per_rank[0])
    for step, expected in enumerate(whole):
        together = [key for rank in per_rank for key in rank[step]]
        assert sorted(key for key in together if not key[2]) == sorted(
            expected
        )
    padded = sum(key[2] for rank in per_rank for b in rank for key in b)
    assert padded == -size % world_size


def test_iter__padding_comes_last_and_starts_over():
    dataset = make_dataset(2)
    keys = [list(on_rank(r, 5, dataset, False, seed=0)) for r in range(5)]
    assert keys == [
        [((0, 0), 0, False)],
        [((0, 0), 1, False)],
        [((0, 0), 0, True)],
        [((0, 0), 1, True)],
        [((0, 0), 0, True)],
    ]


def test_iter__two_ranks_give_the_images_of_one():
    dataset = make_dataset(5)

    def images(samplers):
        items = [dataset[key] for sampler in samplers for key in sampler]
        return {
            item['data_samples'].sample_idx: item['inputs'] for item in items
        }

    alone = images([on_rank(0, 1, dataset, seed=2)])
    shared = images([on_rank(r, 2, dataset, seed=2) for r in range(2)])

    assert sorted(alone) == [0, 1, 2, 3, 4]
    assert sorted(shared) == [-1, 0, 1, 2, 3, 4]
    for sample_idx, inputs in alone.items():
        assert torch.equal(inputs, shared[sample_idx])


def test_set_epoch__changes_order_and_stream():
    sampler = InstanceSampler(make_dataset(17), seed=4)
    first = list(sampler)
    sampler.set_epoch(3)
    later = list(sampler)

    assert {key[0] for key in first} == {(4, 0)}
    assert {key[0] for key in later} == {(4, 6)}
    positions = [key[1] for key in first], [key[1] for key in later]
    assert sorted(positions[0]) == sorted(positions[1]) == list(range(17))
    assert positions[0] != positions[1]
    sampler.set_epoch(0)
    assert list(sampler) == first


def test_iter__seed_and_epoch_are_not_added_up():
    dataset = make_dataset(17)
    one, other = (InstanceSampler(dataset, seed=seed) for seed in (0, 1))
    one.set_epoch(1)
    assert [key[1] for key in one] != [key[1] for key in other]


def test_iter__view_is_odd_and_in_order():
    sampler = InstanceSampler(make_dataset(4), seed=0, view=2)
    sampler.set_epoch(9)
    assert list(sampler) == [((0, 5), i, False) for i in range(4)]


def test_iter__unique_takes_each_image_once():
    dataset = make_dataset(3, times=2)
    every = InstanceSampler(dataset, False, seed=0)
    once = InstanceSampler(dataset, False, seed=0, unique=True)

    assert [key[1] for key in every] == [0, 1, 2, 3, 4, 5]
    assert [key[1] for key in once] == [0, 1, 2]
    assert (len(every), len(once)) == (6, 3)


def test_init__no_seed_asks_rank_0():
    with mock.patch(
        'mmisl.datasets.instance_sampler.sync_random_seed', return_value=11
    ):
        drawn = InstanceSampler(make_dataset(9))
    assert list(drawn) == list(InstanceSampler(make_dataset(9), seed=11))


def test_init__built_as_the_runner_does():
    sampler = DATA_SAMPLERS.build(
        dict(type='mmisl.InstanceSampler', shuffle=False),
        default_args=dict(dataset=make_dataset(3), seed=None),
    )
    assert [key[1:] for key in sampler] == [(i, False) for i in range(3)]


def test_init__other_dataset():
    with pytest.raises(TypeError, match='got Numbered; wrap it: dataset='):
        InstanceSampler(Numbered(3))


@pytest.mark.parametrize('name', ['seed', 'view'])
def test_init__negative(name):
    with pytest.raises(ValueError, match=rf'{name} \(-1\) must be at least 0'):
        InstanceSampler(make_dataset(3), **{name: -1})
