"""Both heads of instance discrimination against scalar loops."""

import pytest
import torch
from mmpretrain.structures import DataSample
from ranks import run_on_ranks
from reference.npid import first_normalizer, nce_loss, softmax_loss
from torch.nn.functional import normalize

from mmisl.models.heads import ISLHead, NCEHead, NPIDHead
from mmisl.models.memories import MemoryBank
from mmisl.ops import ShardedRows
from mmisl.structures import NeighborGraph

NUM_ROWS, DIM, NUM_NEGATIVES = 13, 5, 4
SAMPLES = [3, 11, 0, 7]


def make(dtype=torch.float64):
    generator = torch.Generator().manual_seed(2)
    bank = torch.randn(NUM_ROWS, DIM, generator=generator, dtype=dtype)
    feats = torch.randn(len(SAMPLES), DIM, generator=generator, dtype=dtype)
    return normalize(feats).requires_grad_(), normalize(bank)


def data_samples(samples=SAMPLES, epoch=0):
    return [
        DataSample(metainfo=dict(sample_idx=i, draw_key=(1, 2 * epoch, i, 0)))
        for i in samples
    ]


@pytest.mark.parametrize('temperature', [0.01, 0.1, 1.0])
def test_npid_head__value_and_gradient(temperature):
    feats, bank = make()
    loss = NPIDHead(temperature).loss(feats, torch.tensor(SAMPLES), bank)
    (grad,) = torch.autograd.grad(loss['loss_instance'], feats)
    expected = softmax_loss(feats, SAMPLES, bank, temperature=temperature)
    (expected_grad,) = torch.autograd.grad(expected, feats)
    assert set(loss) == {'loss_instance'}
    torch.testing.assert_close(
        loss['loss_instance'], expected, rtol=1e-10, atol=1e-10
    )
    torch.testing.assert_close(grad, expected_grad, rtol=1e-10, atol=1e-10)


def test_npid_head__is_isl_without_neighbours():
    feats, bank = make()
    sample_idx = torch.tensor(SAMPLES)
    graph = NeighborGraph(NUM_ROWS)
    isl = ISLHead(0.1).loss(feats, sample_idx, graph, bank)
    npid = NPIDHead(0.1).loss(feats, sample_idx, bank)
    torch.testing.assert_close(
        npid['loss_instance'], isl['loss_instance'], rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize('head', [NPIDHead(0.1), NCEHead(0.1)])
def test_heads__half_feats_and_an_empty_batch(head):
    feats, bank = make(torch.float32)
    sample_idx = torch.tensor(SAMPLES)
    whole = head.loss(feats.detach(), sample_idx, bank, data_samples())
    half = head.loss(
        feats.detach().half(), sample_idx, bank.half(), data_samples()
    )
    assert half['loss_instance'].dtype == torch.float32
    torch.testing.assert_close(half, whole, rtol=2e-2, atol=2e-2)
    none = head.loss(feats[:0], sample_idx[:0], bank, [])
    assert none['loss_instance'] == 0
    none['loss_instance'].backward()


def rows_of(head, samples):
    drawn = head._draw(data_samples(samples), NUM_ROWS, torch.device('cpu'))
    return [[i, *row] for i, row in zip(samples, drawn.tolist())]


@pytest.mark.parametrize('temperature', [0.05, 0.1, 1.0])
def test_nce_head__value_and_gradient(temperature):
    feats, bank = make()
    head = NCEHead(temperature, NUM_NEGATIVES).double()
    loss = head.loss(feats, torch.tensor(SAMPLES), bank, data_samples())
    (grad,) = torch.autograd.grad(loss['loss_instance'], feats)
    rows = rows_of(head, SAMPLES)
    normalizer = first_normalizer(
        feats.detach(), rows, bank, temperature=temperature
    )
    torch.testing.assert_close(
        head.normalizer * NUM_ROWS, normalizer, rtol=1e-10, atol=0
    )
    expected = nce_loss(
        feats, rows, bank, temperature=temperature, normalizer=normalizer
    )
    (expected_grad,) = torch.autograd.grad(expected, feats)
    torch.testing.assert_close(
        loss['loss_instance'], expected, rtol=1e-10, atol=1e-10
    )
    torch.testing.assert_close(grad, expected_grad, rtol=1e-10, atol=1e-10)


def test_nce_head__bank_written_before_backward_is_refused():
    feats, bank = make()
    loss = NCEHead(0.1, NUM_NEGATIVES).loss(
        feats, torch.tensor(SAMPLES), bank, data_samples()
    )
    bank[0] = 0
    with pytest.raises(RuntimeError, match='modified by an inplace'):
        loss['loss_instance'].backward()


def test_nce_head__many_parts_of_a_batch(monkeypatch):
    from mmisl.models.heads import nce_head

    feats, bank = make()
    head = NCEHead(0.1, NUM_NEGATIVES).double()
    arguments = (feats, torch.tensor(SAMPLES), bank, data_samples())
    whole = head.loss(*arguments)['loss_instance']
    (whole_grad,) = torch.autograd.grad(whole, feats)
    # One sample at a time.
    monkeypatch.setattr(nce_head, '_VALUES_AT_ONCE', 1)
    parts = head.loss(*arguments)['loss_instance']
    (parts_grad,) = torch.autograd.grad(parts, feats)
    torch.testing.assert_close(parts, whole, rtol=1e-12, atol=0)
    torch.testing.assert_close(parts_grad, whole_grad, rtol=1e-12, atol=0)


def test_nce_head__normalizer_is_that_of_the_first_batch_and_is_saved():
    feats, bank = make()
    head = NCEHead(0.1, NUM_NEGATIVES).double()
    sample_idx = torch.tensor(SAMPLES)
    first = head.loss(feats, sample_idx, bank, data_samples())
    fixed = head.normalizer.clone()
    head.loss(-feats, sample_idx, bank, data_samples(epoch=1))
    assert head.normalizer == fixed
    other = NCEHead(0.1, NUM_NEGATIVES).double()
    other.load_state_dict(head.state_dict())
    other.loss(-feats, sample_idx, bank, data_samples(epoch=1))
    assert other.normalizer == fixed
    again = other.loss(feats, sample_idx, bank, data_samples())
    assert again['loss_instance'] == first['loss_instance']


def test_nce_head__a_small_temperature_and_a_state_of_before_any_batch():
    feats, bank = make(torch.float32)
    bank[SAMPLES] = feats.detach()  # exp(1 / 0.01) overflows float32
    arguments = (feats, torch.tensor(SAMPLES), bank, data_samples())
    head = NCEHead(0.01, NUM_NEGATIVES)
    unset = {key: value.clone() for key, value in head.state_dict().items()}
    first = head.loss(*arguments)['loss_instance']
    assert first.isfinite()
    head.load_state_dict(unset)
    assert head.loss(*arguments)['loss_instance'] == first


def test_nce_head__draws_depend_on_the_sample_and_the_epoch_alone():
    head = NCEHead(0.1, 300)
    cpu = torch.device('cpu')
    one = head._draw(data_samples([3, 11, 0]), NUM_ROWS, cpu)
    other = head._draw(data_samples([0, 3]), NUM_ROWS, cpu)
    assert torch.equal(one[2], other[0]) and torch.equal(one[0], other[1])
    later = head._draw(data_samples([3], epoch=1), NUM_ROWS, cpu)
    assert not torch.equal(one[0], later[0])
    # Uniform over all rows: 300 draws of 13, three samples.
    counts = torch.bincount(one.flatten(), minlength=NUM_ROWS).double()
    expected = one.numel() / NUM_ROWS
    assert ((counts - expected).square() / expected).sum() < 33  # p = 0.001


def loss_on_shards():
    """Summed loss and gradient of this rank's half, and the normalizer."""
    import torch.distributed as dist

    world_size = dist.get_world_size() if dist.is_initialized() else 1
    rank = dist.get_rank() if dist.is_initialized() else 0
    feats, bank = make()
    own = slice(rank, None, world_size)
    feats = feats.detach()[own].requires_grad_()
    samples = SAMPLES[own]
    rows = bank
    if world_size > 1:
        rows = ShardedRows(bank[rank::world_size], NUM_ROWS)
    head = NCEHead(0.1, NUM_NEGATIVES).double()
    loss = head.loss(feats, torch.tensor(samples), rows, data_samples(samples))
    total = loss['loss_instance'] * len(samples)
    total.backward()
    return [total.detach(), feats.grad, head.normalizer]


def test_nce_head__two_ranks_with_shards(tmp_path):
    (total, grad, normalizer), *_ = run_on_ranks(loss_on_shards, 1, tmp_path)
    ranks = run_on_ranks(loss_on_shards, 2, tmp_path)
    torch.testing.assert_close(sum(r[0] for r in ranks), total)
    for rank, (_, own, same) in enumerate(ranks):
        torch.testing.assert_close(own, grad[rank::2])
        torch.testing.assert_close(same, normalizer)


def test_heads__arguments_out_of_range():
    for head in (NPIDHead, NCEHead):
        with pytest.raises(ValueError, match='temperature must be > 0, got 0'):
            head(0)
    with pytest.raises(ValueError, match='num_negatives must be >= 1, got 0'):
        NCEHead(num_negatives=0)


def test_memory_bank__replace_takes_all_rows():
    memory = MemoryBank(7, 3)
    rows = normalize(torch.randn(7, 3))
    memory.replace(rows)
    assert torch.equal(memory.bank, rows)
    with pytest.raises(ValueError, match=r'rows must be \(7, 3\).*\(6, 3\)'):
        memory.replace(rows[:6])
