import pytest
import torch
import torch.nn.functional as F
from ranks import run_on_ranks
from reference.moco_isl import enqueue

from mmisl.models.memories import KeyQueue

FEAT_DIM = 3
SIZES = [1, 2, 5, 7, 16]


def unit_rows(num_rows):
    return F.normalize(torch.randn(num_rows, FEAT_DIM), dim=1)


def oldest_first(queue):
    order = (torch.arange(queue.size) + queue.pointer) % queue.size
    return list(zip(queue.sample_idx[order].tolist(), queue.keys[order]))


def assert_same(found, expected):
    assert [i for i, _ in found] == [i for i, _ in expected]
    assert torch.equal(
        torch.stack([key for _, key in found]),
        torch.stack([key for _, key in expected]),
    )


@pytest.mark.parametrize('size', SIZES)
def test_enqueue__is_a_fifo_for_any_batch_size(size):
    queue = KeyQueue(size, FEAT_DIM)
    expected = oldest_first(queue)
    generator = torch.Generator().manual_seed(size)
    for batch_size in [3, 1, 4, 0, 5, 16, 2, 23, 3]:
        keys = unit_rows(batch_size)
        sample_idx = torch.randint(-1, 4, (batch_size,), generator=generator)
        queue.enqueue(keys, sample_idx)
        expected = enqueue(expected, list(keys), sample_idx.tolist())
        assert_same(oldest_first(queue), expected)
        assert 0 <= queue.pointer < size


def test_enqueue__padded_copies_and_what_is_not_finite_stay_out():
    queue = KeyQueue(4, FEAT_DIM)
    before = queue.keys.clone()
    keys = unit_rows(5)
    keys[1, 0] = torch.nan
    keys[2, 2] = torch.inf
    queue.enqueue(keys, torch.tensor([-1, 6, 7, 8, -1]))
    assert queue.sample_idx.tolist() == [8, -1, -1, -1]
    assert torch.equal(queue.keys[0], keys[3])
    assert torch.equal(queue.keys[1:], before[1:])
    queue.enqueue(keys[:1], torch.tensor([-1]))
    assert queue.pointer == 1


def test_init__random_directions_of_no_sample():
    queue = KeyQueue(500, FEAT_DIM)
    assert queue.sample_idx.unique().tolist() == [-1]
    torch.testing.assert_close(queue.keys.norm(dim=1), torch.ones(500))
    assert queue.keys.mean(0).norm() < 0.2
    assert torch.equal(queue.keys, KeyQueue(500, FEAT_DIM).keys)
    assert not torch.equal(queue.keys, KeyQueue(500, FEAT_DIM, seed=1).keys)


def test_state_dict__goes_on_where_it_was():
    first, second = KeyQueue(5, FEAT_DIM), KeyQueue(5, FEAT_DIM, seed=1)
    first.enqueue(unit_rows(3), torch.tensor([4, 0, 2]))
    second.load_state_dict(first.state_dict())
    keys = unit_rows(4)
    for queue in (first, second):
        queue.enqueue(keys, torch.tensor([1, 1, 3, 0]))
    assert_same(oldest_first(first), oldest_first(second))


def test_state_dict__another_size_is_refused():
    saved = KeyQueue(5, FEAT_DIM).state_dict()
    with pytest.raises(ValueError, match='a queue of 5 keys of 3 values, but'):
        KeyQueue(6, FEAT_DIM).load_state_dict(saved)


@pytest.mark.parametrize('name', ['size', 'feat_dim'])
def test_init__arguments_are_checked(name):
    with pytest.raises(ValueError, match=f'{name} must be >= 1, got 0'):
        KeyQueue(**{name: 0})


# 13 samples in batches of 4, 8 and 4; the last batch is padded.
ORDER = [7, 3, 12, 0, 5, 9, 1, 11, 2, 8, 10, 4, 6]
TABLE = torch.linspace(-1, 1, 13 * FEAT_DIM).view(13, FEAT_DIM).sin()


def enqueue_share():
    """The share of this rank."""
    from mmengine.dist import get_rank, get_world_size

    queue, begin = KeyQueue(5, FEAT_DIM), 0
    for batch_size in (4, 8, 4):
        turn = torch.arange(begin, begin + batch_size)
        turn = turn[get_rank() :: get_world_size()]
        sample_idx = torch.tensor([*ORDER, -1, -1, -1])[turn]
        queue.enqueue(TABLE[sample_idx], sample_idx)
        begin += batch_size
    return queue.state_dict()


def test_enqueue__ranks_give_the_queue_of_one_process(tmp_path):
    expected = enqueue_share()
    assert expected['sample_idx'].tolist() == [10, 4, 6, 2, 8]
    for state in run_on_ranks(enqueue_share, 2, tmp_path):
        assert all(torch.equal(state[key], expected[key]) for key in expected)
