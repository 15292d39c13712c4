import sys

import pytest
import torch
from mmengine.dist import get_rank, get_world_size
from ranks import run_on_ranks
from torch.nn.functional import normalize

from mmisl.ops import ShardedRows, nearest_members


def make_case(num_samples, num_clusterings, num_clusters, seed=0):
    rng = torch.Generator().manual_seed(seed)
    feats = normalize(torch.randn(num_samples, 5, generator=rng), dim=1)
    assignments = torch.randint(
        num_clusters, (num_clusterings, num_samples), generator=rng
    )
    return feats, assignments.int()


def slow(feats, assignments, k):
    """Lists of (similarity, member), one sample at a time."""
    lists = []
    for i in range(len(feats)):
        fellows = [
            (-float(feats[i].double() @ feats[j].double()), j)
            for j in range(len(feats))
            if j != i and bool((assignments[:, i] == assignments[:, j]).any())
        ]
        lists.append([(-value, j) for value, j in sorted(fellows)[:k]])
    return lists


@pytest.mark.parametrize('shape', [(23, 3, 6), (31, 1, 4), (7, 2, 7)])
@pytest.mark.parametrize('k', [1, 4, 40])
def test_nearest_members__one_sample_at_a_time(shape, k):
    feats, assignments = make_case(*shape)
    similarity, member = nearest_members(feats, assignments, k)
    assert similarity.shape == member.shape == (len(feats), k)
    for i, expected in enumerate(slow(feats, assignments, k)):
        count = len(expected)
        assert member[i, :count].tolist() == [j for _, j in expected]
        assert similarity[i, :count].tolist() == pytest.approx(
            [value for value, _ in expected], abs=1e-6
        )
        assert (member[i, count:] == -1).all()
        assert similarity[i, count:].isneginf().all()


@pytest.mark.parametrize('products', [1, 9, 40])
def test_nearest_members__in_batches_of_any_size(products, monkeypatch):
    """From every cluster by the block to all clusters at once."""
    feats, assignments = make_case(37, 2, 5)
    expected = nearest_members(feats, assignments, 6)
    module = sys.modules['mmisl.ops.nearest_members']
    monkeypatch.setattr(module, '_PRODUCTS', products)
    similarity, member = nearest_members(feats, assignments, 6)
    assert torch.equal(member, expected[1])
    torch.testing.assert_close(similarity, expected[0], rtol=0, atol=1e-6)


def three_clusters():
    """Whole and dealt out: of the last batch some ranks have no cluster."""
    feats, assignments = make_case(19, 2, 3)
    own = feats[get_rank() :: get_world_size()].clone()
    return [
        nearest_members(layout, assignments, 4)
        for layout in (feats, ShardedRows(own, len(feats)))
    ]


@pytest.mark.parametrize('world_size', [2, 4])
def test_nearest_members__ranks_without_a_cluster(world_size, tmp_path):
    ((similarity, member), _) = three_clusters()
    for results in run_on_ranks(three_clusters, world_size, tmp_path):
        for values, members in results:
            assert torch.equal(members, member)
            torch.testing.assert_close(values, similarity, rtol=0, atol=1e-6)


@pytest.mark.parametrize('products', [1, 9, 2**22])
def test_nearest_members__empty_clusters(products, monkeypatch):
    module = sys.modules['mmisl.ops.nearest_members']
    monkeypatch.setattr(module, '_PRODUCTS', products)
    feats, assignments = make_case(11, 1, 3)
    expected = nearest_members(feats, assignments, 2)
    spread_out = nearest_members(feats, assignments * 40 + 5, 2)
    assert torch.equal(spread_out[1], expected[1])
    assert torch.equal(spread_out[0], expected[0])


def test_nearest_members__equal_ones_by_index():
    feats = normalize(torch.ones(6, 3), dim=1)
    _, member = nearest_members(feats, torch.zeros(1, 6, dtype=torch.int), 3)
    assert member[0].tolist() == [1, 2, 3]
    assert member[2].tolist() == [0, 1, 3]


def test_nearest_members__a_cluster_of_one_has_none():
    feats, _ = make_case(3, 1, 1)
    assignments = torch.tensor([[0, 1, 1]])
    _, member = nearest_members(feats, assignments, 2)
    assert member.tolist() == [[-1, -1], [2, -1], [1, -1]]


@pytest.mark.parametrize(
    ('assignments', 'k', 'text'),
    [
        (torch.zeros(2, 4), 1, r'must be \(H, 3\).* got \(2, 4\)'),
        (torch.zeros(3), 1, r'must be \(H, 3\).* got \(3,\)'),
        (torch.zeros(1, 3), 0, 'k must be >= 1, got 0'),
    ],
)
def test_nearest_members__bad_input(assignments, k, text):
    with pytest.raises(ValueError, match=text):
        nearest_members(torch.eye(3), assignments, k)
