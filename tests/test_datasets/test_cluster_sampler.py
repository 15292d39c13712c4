"""An epoch drawn over clusters, against the rule in plain words."""

from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_instance_sampler import make_dataset, on_rank

from mmisl.datasets import ClusterSampler
from mmisl.datasets.cluster_sampler import draw_uniformly

CLUSTERS = torch.tensor([4, 4, 4, 4, 4, 4, 4, 4, 0, 0, 2], dtype=torch.int32)


def sampler_of(clusters=CLUSTERS, *, times=1, rank=0, world_size=1, seed=3):
    dataset = make_dataset(len(clusters), times)
    sampler = on_rank(
        rank, world_size, dataset, sampler=ClusterSampler, seed=seed
    )
    sampler.set_clusters(clusters)
    return sampler


def draw(clusters, seed):
    return draw_uniformly(clusters, torch.Generator().manual_seed(seed))


@settings(max_examples=60, deadline=None)
@given(
    clusters=st.lists(st.integers(0, 6), min_size=2, max_size=40),
    seed=st.integers(0, 2**31),
)
def test_draw__every_cluster_equally_often(clusters, seed):
    drawn = draw(torch.tensor(clusters), seed).tolist()
    sizes, times = Counter(clusters), Counter(drawn)
    share = len(clusters) // len(sizes) + 1
    assert len(drawn) == len(clusters)
    per_cluster = Counter(clusters[i] for i in drawn)
    # What the cut to N takes away is all that is missing.
    assert max(per_cluster.values()) <= share
    missing = sum(share - per_cluster[c] for c in sizes)
    assert missing == share * len(sizes) - len(clusters)
    for image, number in times.items():
        if sizes[clusters[image]] > share:
            assert number == 1  # without replacement


def test_draw__uniform_over_images_of_a_cluster():
    clusters = torch.tensor([0] * 6 + [3] * 2)  # a share of 5 images
    times = sum(
        torch.bincount(draw(clusters, seed), minlength=8)
        for seed in range(2000)
    )
    # 8 of 10 draws are kept; 2000 * 4 of each cluster.
    expected = torch.tensor([8000 / 6] * 6 + [8000 / 2] * 2)
    deviation = (times - expected) / expected.sqrt()
    assert deviation.abs().max() < 5


def test_draw__small_clusters_repeat_independently():
    # With replacement: now and then one of two images is drawn alone.
    clusters = torch.tensor([0] * 6 + [3] * 2)
    seen = {
        len({i for i in draw(clusters, seed).tolist() if i >= 6})
        for seed in range(200)
    }
    assert {1, 2} <= seen


def test_iter__length_and_positions():
    sampler = sampler_of()
    keys = list(sampler)
    assert len(keys) == len(sampler) == len(CLUSTERS)
    assert not any(padding for _, _, padding in keys)
    drawn = Counter(int(CLUSTERS[position]) for _, position, _ in keys)
    # 11 // 3 + 1 = 4 of each of 3 clusters, less one.
    assert sorted(drawn.values()) == [3, 4, 4]


def test_iter__copies_of_a_repeated_data_set_are_one_image():
    clusters = CLUSTERS[torch.tensor([0, 8, 10])]
    keys = list(sampler_of(clusters, times=2))
    assert len(keys) == 3
    assert all(position < 3 for _, position, _ in keys)


def test_iter__repeated_image_is_augmented_in_other_ways():
    sampler = sampler_of()
    keys = [key for key in sampler if key[1] == 10]  # alone in its cluster
    streams = [stream for stream, _, _ in keys]
    assert len(keys) >= 3
    assert len(set(streams)) == len(streams)
    assert streams[0] == (3, 0)
    assert all(number % 2 == 0 for _, number in streams)  # no mining view
    images = [sampler.dataset[key]['inputs'] for key in keys]
    assert any(not torch.equal(images[0], image) for image in images[1:])
    samples = [sampler.dataset[key]['data_samples'] for key in keys]
    assert {sample.sample_idx for sample in samples} == {10}


def test_iter__first_draw_has_the_stream_of_the_epoch():
    sampler = sampler_of()
    sampler.set_epoch(5)
    first = {}
    for stream, position, _ in sampler:
        first.setdefault(position, stream)
    assert set(first.values()) == {(3, 10)}


@pytest.mark.parametrize('world_size', [2, 3, 4])
def test_iter__ranks_together_are_one_process(world_size):
    whole = list(sampler_of())
    ranks = [
        list(sampler_of(rank=rank, world_size=world_size))
        for rank in range(world_size)
    ]
    assert len({len(keys) for keys in ranks}) == 1
    turns = [key for turn in zip(*ranks) for key in turn]
    assert turns[: len(whole)] == whole
    padding = turns[len(whole) :]
    assert padding == [
        (stream, position, True)
        for stream, position, _ in whole[: len(padding)]
    ]


def test_iter__same_seed_and_epoch_same_order():
    first, again, other = sampler_of(), sampler_of(), sampler_of(seed=4)
    assert list(first) == list(again)
    assert [key[1] for key in first] != [key[1] for key in other]
    again.set_epoch(1)
    assert [key[1] for key in first] != [key[1] for key in again]
    again.set_epoch(0)
    assert list(first) == list(again)


def test_iter__no_clusters():
    sampler = ClusterSampler(make_dataset(5), seed=0)
    with pytest.raises(RuntimeError, match='has no clusters to draw from; tr'):
        list(sampler)


def test_init__order_is_refused():
    with pytest.raises(ValueError, match='take InstanceSampler for a fixed'):
        ClusterSampler(make_dataset(5), shuffle=False)


def test_set_clusters__other_number():
    sampler = ClusterSampler(make_dataset(5), seed=0)
    with pytest.raises(ValueError, match=r'must be \(5,\).*got \(4,\)'):
        sampler.set_clusters(torch.zeros(4))


def test_set_clusters__not_yet_known():
    sampler = ClusterSampler(make_dataset(5), seed=0)
    with pytest.raises(ValueError, match=r'set train_cfg.encoder.first_epoch'):
        sampler.set_clusters(torch.full((5,), -1))
