import io

import pytest
import torch
import torch.nn.functional as F
from reference.bank import update_bank

from mmisl.models.memories import MemoryBank
from mmisl.registry import MODELS

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}
MOMENTA = [0.1, 0.5, 0.8, 1.0]


def unit_rows(num_rows, feat_dim=5, dtype=torch.float32):
    return F.normalize(torch.randn(num_rows, feat_dim, dtype=dtype), dim=1)


def update(memory, sample_idx, feats):
    memory.defer_update(torch.tensor(sample_idx), feats)
    memory.apply_update()


@pytest.mark.parametrize('momentum', MOMENTA)
@pytest.mark.parametrize('dtype', TOLERANCE)
@pytest.mark.parametrize(
    'sample_idx',
    [[6, 0, 3], [3, 0, 3, 3, 5, 0], [-1, 4, -1, 2], [-1, -1, 1, 1], [-1]],
    ids=['plain', 'twice', 'padded', 'padded and twice', 'padding alone'],
)
def test_apply_update__matches_oracle(sample_idx, dtype, momentum):
    memory = MemoryBank(7, 5, momentum=momentum).to(dtype)
    feats = unit_rows(len(sample_idx), dtype=dtype)
    expected = update_bank(memory.bank, sample_idx, feats, momentum=momentum)
    update(memory, sample_idx, feats)
    assert memory.bank.dtype == dtype
    torch.testing.assert_close(
        memory.bank, expected, atol=TOLERANCE[dtype], rtol=0
    )


def test_apply_update__momentum_weighs_the_new_feature():
    memory = MemoryBank(2, 2, momentum=0.2)
    memory.bank.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    update(memory, [0], torch.tensor([[0.0, 1.0]]))
    expected = torch.tensor([[0.8, 0.2], [0.0, 0.68**0.5]]) / 0.68**0.5
    torch.testing.assert_close(memory.bank, expected)


def test_apply_update__rows_keep_norm_one():
    memory = MemoryBank(7, 5, momentum=0.3)
    for _ in range(20):
        update(memory, [0, 3, 3], unit_rows(3))
    torch.testing.assert_close(memory.bank.norm(dim=1), torch.ones(7))


def test_apply_update__rows_of_others_are_untouched():
    memory = MemoryBank(7, 5)
    before = memory.bank.clone()
    update(memory, [2, -1, 4], unit_rows(3))
    changed = (memory.bank != before).any(1)
    assert changed.nonzero().flatten().tolist() == [2, 4]


def test_apply_update__order_of_the_batch_does_not_matter():
    # Two copies: the sum of three would depend on their order.
    sample_idx, feats = torch.tensor([3, 1, 3, 5]), unit_rows(4)
    banks = []
    for order in ([0, 1, 2, 3], [2, 3, 1, 0]):
        memory = MemoryBank(7, 5)
        memory.defer_update(sample_idx[order], feats[order])
        memory.apply_update()
        banks.append(memory.bank)
    assert torch.equal(*banks)


def test_apply_update__micro_batches_are_one_batch():
    sample_idx, feats = torch.tensor([3, 1, 3, 5, -1]), unit_rows(5)
    whole, parts = MemoryBank(7, 5), MemoryBank(7, 5)
    whole.defer_update(sample_idx, feats)
    whole.apply_update()
    parts.max_deferred = 2
    parts.defer_update(sample_idx[:2], feats[:2])
    parts.defer_update(sample_idx[2:], feats[2:])
    parts.apply_update()
    assert torch.equal(whole.bank, parts.bank)


def test_apply_update__nothing_deferred_is_no_op():
    memory = MemoryBank(7, 5)
    before = memory.bank.clone()
    memory.apply_update()
    assert torch.equal(memory.bank, before)
    update(memory, [0], unit_rows(1))
    after = memory.bank.clone()
    memory.apply_update()  # the batch is not written twice
    assert torch.equal(memory.bank, after)


def test_defer_update__writes_nothing_and_keeps_no_graph():
    memory = MemoryBank(7, 5)
    before = memory.bank.clone()
    feats = unit_rows(2).requires_grad_()
    memory.defer_update(torch.tensor([0, 4]), feats * 1)
    assert torch.equal(memory.bank, before)
    memory.apply_update()
    assert not memory.bank.requires_grad


def test_defer_update__backward_after_it_sees_the_old_bank():
    memory = MemoryBank(7, 5)
    feats = unit_rows(2).requires_grad_()
    (feats @ memory.bank.T).sum().backward()
    expected, feats.grad = feats.grad, None
    objective = (feats @ memory.bank.T).sum()
    memory.defer_update(torch.tensor([0, 4]), feats)
    objective.backward()
    assert torch.equal(feats.grad, expected)


def test_defer_update__half_feats_are_written_in_float32():
    memory = MemoryBank(7, 5, momentum=1.0)
    feats = unit_rows(1).bfloat16()
    update(memory, [3], feats)
    torch.testing.assert_close(
        memory.bank[3], F.normalize(feats.float())[0], atol=1e-7, rtol=0
    )


def test_defer_update__forgotten_hook_is_named():
    memory = MemoryBank(7, 5)
    memory.defer_update(torch.tensor([0]), unit_rows(1))
    with pytest.raises(RuntimeError, match=r'1 batch.*mmisl\.MemoryBankHook'):
        memory.defer_update(torch.tensor([1]), unit_rows(1))


def test_init__rows_are_random_directions_of_the_seed():
    bank = MemoryBank(50, 20, seed=3).bank
    torch.testing.assert_close(bank.norm(dim=1), torch.ones(50))
    cosine = bank @ bank.T - torch.eye(50)
    assert cosine.abs().max() < 0.9
    assert torch.equal(bank, MemoryBank(50, 20, seed=3).bank)
    assert not torch.equal(bank, MemoryBank(50, 20, seed=4).bank)


def test_init__does_not_touch_the_global_generator():
    state = torch.get_rng_state()
    MemoryBank(7, 5)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    'slip, text',
    [
        (dict(momentum=0), r'weight of the new .*\(0, 1\], got 0'),
        (dict(momentum=1.5), r'\(0, 1\], got 1.5'),
        (dict(feat_dim=0), 'feat_dim must be >= 1, got 0'),
        (dict(num_samples=1), 'at least 2 samples.*got num_samples=1'),
        (dict(num_samples=0), 'at least 2 samples.*got num_samples=0'),
    ],
)
def test_init__argument_out_of_range_is_named(slip, text):
    with pytest.raises(ValueError, match=text):
        MODELS.build(dict(type='MemoryBank', **slip))


def test_set_num_samples__size_that_disagrees_is_refused():
    memory = MemoryBank(7, 5)
    before = memory.bank.clone()
    memory.set_num_samples(7)
    assert torch.equal(memory.bank, before)
    with pytest.raises(ValueError, match='holds 7 samples.* set has 9; leave'):
        memory.set_num_samples(9)


def test_set_num_samples__later_is_the_same_as_at_once():
    memory = MemoryBank(feat_dim=5, seed=3)
    assert memory.num_samples == 0
    memory.set_num_samples(7)
    assert memory.num_samples == 7
    assert torch.equal(memory.bank, MemoryBank(7, 5, seed=3).bank)


@pytest.mark.parametrize('num_samples', [None, 7])
def test_load_state_dict__round_trip(num_samples):
    source = MemoryBank(7, 5)
    update(source, [0, 4], unit_rows(2))
    file = io.BytesIO()
    torch.save(source.state_dict(), file)
    file.seek(0)
    memory = MemoryBank(num_samples, 5, seed=1)
    memory.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(memory.bank, source.bank)


def test_load_state_dict__another_size_is_refused():
    memory = MemoryBank(7, 5)
    with pytest.raises(
        ValueError, match='checkpoint is of 9.* bank of 7; use'
    ):
        memory.load_state_dict(MemoryBank(9, 5).state_dict())


@pytest.mark.parametrize('num_samples', [None, 7])
def test_load_state_dict__another_width_is_refused(num_samples):
    """Also where mmengine would log it and go on with what is there."""
    memory = MemoryBank(num_samples, 5)
    before = memory.bank.clone()
    match = 'a memory bank of 4 values a sample, but .* feat_dim=5; set it as'
    with pytest.raises(ValueError, match=match):
        memory.load_state_dict(MemoryBank(7, 4).state_dict(), strict=False)
    assert torch.equal(memory.bank, before)


def test_apply_update__features_that_are_not_finite_are_not_written():
    memory = MemoryBank(4, 3)
    before = memory.bank.clone()
    feats = torch.full((3, 3), 3**-0.5)
    feats[1, 2] = float('nan')
    memory.defer_update(torch.tensor([0, 2, 3]), feats)
    memory.apply_update()
    changed = (memory.bank != before).any(1)
    assert changed.tolist() == [True, False, False, True]
