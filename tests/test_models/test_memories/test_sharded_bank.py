"""A bank split over 2 and 4 ranks is the bank of one process."""

import io

import pytest
import torch
import torch.nn.functional as F
from mmengine.dist import get_rank, get_world_size
from ranks import run_on_ranks

from mmisl.models.memories import MemoryBank, memory_bank

NUM_SAMPLES, DIM = 11, 3
# A sample on several ranks and twice on one, padding, and a poisoned row.
STEPS = [[3, 0, 5, 3, 2, 10, 1, -1], [3, 6, 0, 1, 0, -1, 9, 9]]
POISONED = (1, 6)


def step_feats(step):
    generator = torch.Generator().manual_seed(step)
    feats = F.normalize(torch.randn(8, DIM, generator=generator), dim=1)
    if step == POISONED[0]:
        feats[POISONED[1], 0] = torch.inf
    return feats


def train(memory):
    share = 8 // get_world_size()
    own = slice(get_rank() * share, (get_rank() + 1) * share)
    for step, sample_idx in enumerate(STEPS):
        memory.defer_update(
            torch.tensor(sample_idx)[own], step_feats(step)[own]
        )
        memory.apply_update()


def saved(memory):
    """What a checkpoint holds, and the rows of this rank."""
    with memory.collected():
        whole = memory.state_dict()['bank'].clone()
    outside = len(memory.state_dict()['bank'])
    return dict(whole=whole, own=memory.bank.clone(), outside=outside)


def run_all():
    memory_bank._BLOCK_ROWS = 4  # three blocks, none a multiple of 4 ranks
    memory = MemoryBank(NUM_SAMPLES, DIM, momentum=0.3, sharded=True)
    result = dict(start=saved(memory))
    train(memory)
    result['end'] = saved(memory)
    # Written by one process, read by every number of them.
    one = F.normalize(torch.arange(33.0).view(NUM_SAMPLES, DIM) + 1)
    for name, size in (('sized', NUM_SAMPLES), ('unsized', None)):
        other = MemoryBank(size, DIM, seed=5, sharded=True)
        other.load_state_dict(dict(bank=one))
        result[name] = saved(other)
    return result


@pytest.fixture(scope='module', params=[1, 2, 4])
def results(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(f'ranks{request.param}')
    rows = memory_bank._BLOCK_ROWS
    try:
        return run_on_ranks(run_all, request.param, folder)
    finally:
        memory_bank._BLOCK_ROWS = rows


def replicated():
    rows = memory_bank._BLOCK_ROWS
    memory_bank._BLOCK_ROWS = 4
    try:
        memory = MemoryBank(NUM_SAMPLES, DIM, momentum=0.3)
    finally:
        memory_bank._BLOCK_ROWS = rows
    start = memory.bank.clone()
    train(memory)
    return dict(
        start=start,
        end=memory.bank,
        sized=F.normalize(torch.arange(33.0).view(NUM_SAMPLES, DIM) + 1),
    )


@pytest.mark.parametrize('name', ['start', 'end', 'sized', 'unsized'])
def test_bank__shards_hold_and_save_the_rows_of_one_process(results, name):
    expected = replicated()['sized' if name == 'unsized' else name]
    assert torch.equal(results[0][name]['whole'], expected)
    for rank, result in enumerate(results):
        own = expected[rank :: len(results)]
        assert torch.equal(result[name]['own'], own)
        # A plain state dict of a part must not pass for the whole.
        assert result[name]['outside'] == (
            0 if len(results) > 1 else NUM_SAMPLES
        )


def test_apply_update__changes_rows_and_leaves_the_poisoned_one():
    result = replicated()
    changed = (result['start'] != result['end']).any(1).nonzero()
    # Row 9 got one good feature beside the poisoned one.
    assert changed.flatten().tolist() == [0, 1, 2, 3, 5, 6, 9, 10]
    assert result['end'].isfinite().all()


def test_checkpoint__of_a_sharded_bank_loads_with_weights_only():
    memory = MemoryBank(NUM_SAMPLES, DIM, sharded=True)
    file = io.BytesIO()
    torch.save(memory.state_dict(), file)
    file.seek(0)
    other = MemoryBank(feat_dim=DIM)
    other.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(other.bank, memory.bank)
    assert other.num_samples == NUM_SAMPLES


def test_load__checkpoint_without_rows_names_the_hook():
    memory = MemoryBank(NUM_SAMPLES, DIM)
    with pytest.raises(ValueError, match='by AtomicCheckpointHook alone'):
        memory.load_state_dict(dict(bank=torch.zeros(0, DIM)))


def test_rows__of_one_process_are_the_tensor():
    memory = MemoryBank(NUM_SAMPLES, DIM, sharded=True)
    assert memory.rows is memory.bank
