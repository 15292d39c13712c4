import pytest
import torch

from mmisl.structures import ClusterAssignments

ROWS = torch.tensor([[0, 2, 1, 2, 2], [1, 1, 0, 0, 2]])


def sized():
    clusters = ClusterAssignments(2, 3)
    clusters.set_num_samples(5)
    return clusters


def test_set_num_samples__nothing_known():
    clusters = ClusterAssignments(2, 3)
    assert (clusters.num_clusterings, clusters.num_samples) == (2, 0)
    assert not clusters.is_known
    clusters.set_num_samples(5)
    assert clusters.num_samples == 5
    assert clusters.assignments.dtype == torch.int32
    assert (clusters.assignments == -1).all()
    assert not clusters.is_known


def test_set_num_samples__keeps_what_is_known():
    clusters = sized()
    clusters.update(ROWS)
    clusters.set_num_samples(5)
    assert clusters.assignments.tolist() == ROWS.tolist()


def test_set_num_samples__refused():
    with pytest.raises(ValueError, match='2 samples cannot fill 3 clusters'):
        ClusterAssignments(1, 3).set_num_samples(2)
    with pytest.raises(ValueError, match='are of 5 samples, but .* has 6'):
        sized().set_num_samples(6)


def test_update__is_known_and_a_buffer():
    clusters = sized()
    assert not clusters.is_known
    clusters.update(ROWS)
    assert clusters.is_known
    assert clusters.assignments.dtype == torch.int32
    assert list(clusters.state_dict()) == ['assignments']


@pytest.mark.parametrize(
    ('rows', 'message'),
    [
        (ROWS[:1], r'must be \(2, 5\), got \(1, 5\)'),
        (ROWS - 1, r'must lie in \[0, 3\), got \[-1, 1\]'),
        (ROWS + 1, r'must lie in \[0, 3\), got \[1, 3\]'),
    ],
)
def test_update__refused(rows, message):
    with pytest.raises(ValueError, match=message):
        sized().update(rows)


@pytest.mark.parametrize('target', [ClusterAssignments(2, 3), sized()])
def test_load__takes_the_size_that_was_saved(target):
    assert not target.is_known
    source = sized()
    source.update(ROWS)
    target.load_state_dict(source.state_dict())
    assert target.assignments.tolist() == ROWS.tolist()
    assert target.is_known
    target.load_state_dict(sized().state_dict())
    assert not target.is_known


def test_load__other_number_of_samples():
    other = ClusterAssignments(2, 3)
    other.set_num_samples(4)
    with pytest.raises(ValueError, match='is of 4 samples, but .* of 5; use'):
        sized().load_state_dict(other.state_dict())


def test_load__other_clusterings():
    """Of another number, or with more clusters than the model has."""
    source = sized()
    source.update(ROWS)
    match = 'holds 2 clusterings, but the model has 3; set the number as in'
    with pytest.raises(ValueError, match=match):
        ClusterAssignments(3, 3).load_state_dict(source.state_dict())
    match = 'has a cluster 2, but the model has 2 clusters, from 0 on; set'
    with pytest.raises(ValueError, match=match):
        ClusterAssignments(2, 2).load_state_dict(source.state_dict())


@pytest.mark.parametrize('name', ['num_clusterings', 'num_clusters'])
def test_init__below_one(name):
    sizes = {'num_clusterings': 1, 'num_clusters': 1, name: 0}
    with pytest.raises(ValueError, match=f'{name} must be >= 1, got 0'):
        ClusterAssignments(**sizes)


def test_num_empty__over_all_clusterings():
    clusters = ClusterAssignments(2, 3)
    clusters.set_num_samples(4)
    clusters.update(torch.tensor([[0, 2, 2, 0], [1, 1, 1, 1]]))
    assert clusters.num_empty == 1 + 2
