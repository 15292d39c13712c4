import copy

import pytest
import torch
from lightly.loss import NTXentLoss
from mmengine.registry import DefaultScope
from mmpretrain.structures import DataSample
from tiny_methods import moco as tiny

from mmisl.models.algorithms import MoCo
from mmisl.models.algorithms.key_encoder import KeyEncoder
from mmisl.registry import MODELS

FEAT_DIM, QUEUE_SIZE = 6, 12


@pytest.fixture(autouse=True)
def scope():
    with DefaultScope.overwrite_default_scope('mmisl'):
        yield


def make_model(norm_cfg=None, **changes):
    cfg = copy.deepcopy(tiny.OVERRIDES['model'])
    del cfg['_delete_']
    cfg['backbone']['norm_cfg'] = norm_cfg or dict(type='BN')
    cfg['queue']['size'] = QUEUE_SIZE
    return MODELS.build({**cfg, **changes}).double()


def make_mmpretrain_model():
    cfg = copy.deepcopy(tiny.OVERRIDES['model'])
    return MODELS.build(
        dict(
            type='mmpretrain.MoCo',
            backbone=dict(cfg['backbone'], norm_cfg=dict(type='BN')),
            neck=dict(cfg['neck'], type='mmpretrain.MoCoV2Neck'),
            head=cfg['head'],
            queue_len=QUEUE_SIZE,
            feat_dim=FEAT_DIM,
            momentum=cfg['momentum'],
            data_preprocessor=dict(type='mmpretrain.SelfSupDataPreprocessor'),
        )
    ).double()


def views(batch_size):
    return [
        torch.randn(batch_size, 3, 16, 16, dtype=torch.float64)
        for _ in range(2)
    ]


def samples_of(indices):
    return [
        DataSample(metainfo=dict(sample_idx=i, draw_key=(1, 0, abs(i), 0)))
        for i in indices
    ]


def gradients(model):
    return torch.cat(
        [p.grad.flatten() for p in model.parameters() if p.requires_grad]
    )


def test_loss__several_steps_equal_mmpretrain():
    ours, theirs = make_model(), make_mmpretrain_model()
    theirs.backbone.load_state_dict(ours.backbone.state_dict())
    theirs.neck.load_state_dict(ours.neck.state_dict())
    theirs.queue.copy_(ours.queue.keys.T)
    optimizers = [
        torch.optim.SGD(model.parameters(), lr=0.1) for model in (ours, theirs)
    ]
    for step in range(7):
        inputs, samples = views(4), samples_of(range(4))
        losses = []
        for model, optimizer in zip((ours, theirs), optimizers):
            optimizer.zero_grad()
            (loss,) = model.loss(inputs, samples).values()
            loss.backward()
            optimizer.step()
            losses.append(loss)
        torch.testing.assert_close(*losses, rtol=0, atol=1e-10)
        torch.testing.assert_close(
            gradients(ours), gradients(theirs), rtol=0, atol=1e-9
        )
        torch.testing.assert_close(ours.queue.keys.T, theirs.queue)
        assert ours.queue.pointer == theirs.queue_ptr == 4 * (step + 1) % 12
    for own, other in zip(
        ours.encoder_k.parameters(), theirs.encoder_k.parameters()
    ):
        torch.testing.assert_close(own, other)


def test_state_dict__backbone_neck_and_key_encoder_are_mmpretrain_s():
    state = make_mmpretrain_model().state_dict()
    incompatible = make_model().load_state_dict(state, strict=False)
    assert set(incompatible.unexpected_keys) == {'queue', 'queue_ptr'}
    assert set(incompatible.missing_keys) == {
        'queue.keys',
        'queue.sample_idx',
        'queue.pointer',
    }


def test_loss__info_nce_of_lightly():
    model = make_model().eval()
    theirs = NTXentLoss(0.2, memory_bank_size=(QUEUE_SIZE, FEAT_DIM)).double()
    theirs.memory_bank.bank.copy_(model.queue.keys)
    for step in range(7):
        inputs = views(4)
        query = model(inputs)
        with torch.no_grad():
            key = model(inputs[1:])  # the key encoder is still a copy
        expected = theirs(query, key)
        losses = model(inputs, samples_of(range(step, step + 4)), mode='loss')
        torch.testing.assert_close(losses['loss_contrastive'], expected)
        torch.testing.assert_close(
            model.queue.keys, theirs.memory_bank.bank.double()
        )


def test_loss__padded_copies_take_no_part():
    model = make_model().eval()
    inputs = views(5)
    state = copy.deepcopy(model.state_dict())
    whole = model.loss(inputs, samples_of([7, -1, 3, -1, -1]))
    queue = copy.deepcopy(model.queue)
    model.load_state_dict(state)
    part = model.loss([view[[0, 2]] for view in inputs], samples_of([7, 3]))
    torch.testing.assert_close(whole, part)
    assert torch.equal(queue.sample_idx, model.queue.sample_idx)
    torch.testing.assert_close(queue.keys, model.queue.keys)
    assert queue.sample_idx.tolist()[:3] == [7, 3, -1]


def test_head_losses__a_rank_without_samples():
    query = torch.zeros(0, FEAT_DIM, requires_grad=True)
    losses = make_model()._head_losses(query, query, query, [])
    assert losses['loss_contrastive'] == 0
    losses['loss_contrastive'].backward()


def test_loss__keys_have_no_gradient_and_are_not_in_the_optimizer():
    model = make_model()
    model.loss(views(4), samples_of(range(4)))['loss_contrastive'].backward()
    assert all(p.grad is None for p in model.encoder_k.parameters())
    assert all(not p.requires_grad for p in model.encoder_k.parameters())
    assert gradients(model).abs().sum() > 0


@pytest.mark.parametrize('inputs', [views(4)[0], views(4) * 2])
def test_loss__needs_two_views(inputs):
    with pytest.raises(TypeError, match='MoCo needs two views of every imag'):
        make_model().loss(inputs, samples_of(range(4)))


def test_forward__modes():
    model = make_model().eval()
    first, second = views(4)
    for mode in ('tensor', 'backbone', 'key'):
        feats = model(first, mode=mode)
        assert torch.equal(model([first, second], mode=mode), feats)
        assert feats.shape == (4, 32 if mode == 'backbone' else FEAT_DIM)
    # Before its first step the key encoder is the query encoder.
    torch.testing.assert_close(model(first), model(first, mode='key'))
    torch.testing.assert_close(
        model(first).norm(dim=1), torch.ones(4, dtype=torch.float64)
    )
    predicted = model(first, samples_of(range(4)), mode='predict')
    assert torch.equal(torch.stack([s.feat for s in predicted]), model(first))
    with pytest.raises(ValueError, match="mode must be 'tensor', 'backbone'"):
        model(first, mode='keys')


def test_split_bn__keys_are_shuffled_and_put_back():
    """A query must not share statistics with its key's neighbours."""
    model = make_model(dict(type='SplitBN', num_splits=2))
    inputs = views(6)
    seen = []
    model.encoder_k.register_forward_pre_hook(
        lambda module, args: seen.append(args[0].clone())
    )
    model.encoder_k.update_parameters(model._query_encoder())
    keys = [model._encode_shuffled(inputs[1])]
    rows = (seen[0].unsqueeze(1) == inputs[1]).flatten(2).all(2)
    order = rows.int().argmax(1)
    assert sorted(order.tolist()) == list(range(6))
    assert order.tolist() != list(range(6))
    # What came out belongs to the image that went in.
    expected = torch.empty_like(keys[0])
    with torch.no_grad():
        expected[order] = model._encode_keys(seen[0])
    torch.testing.assert_close(keys[0], expected)
    # The next step shuffles otherwise.
    model.encoder_k.update_parameters(model._query_encoder())
    model._encode_shuffled(inputs[1])
    assert not torch.equal(seen[-1], seen[0])


def test_set_num_samples__warns_of_a_queue_as_long_as_the_data(monkeypatch):
    lines = []
    monkeypatch.setattr(
        'mmisl.models.algorithms.moco.print_log',
        lambda text, **kwargs: lines.append(text),
    )
    make_model().set_num_samples(QUEUE_SIZE + 1)
    assert not lines
    make_model().set_num_samples(QUEUE_SIZE)
    assert 'model.queue.size (12) is not smaller than the' in lines[0]


def test_key_encoder__formula_and_own_statistics():
    model = make_model()
    encoder, current = model.encoder_k, model._query_encoder()
    encoder.update_parameters(current)
    with torch.no_grad():
        for param in current.parameters():
            param.add_(torch.randn_like(param))
    for buffer in encoder.module.buffers():
        buffer.fill_(3)
    before = [param.clone() for param in encoder.parameters()]
    encoder.update_parameters(current)
    for old, new, param in zip(
        before, encoder.parameters(), current.parameters()
    ):
        torch.testing.assert_close(new, 0.95 * old + 0.05 * param)
    assert all((buffer == 3).all() for buffer in encoder.module.buffers())
    assert encoder.steps == encoder.num_steps == 2


def test_key_encoder__counts_on_from_a_checkpoint():
    model, other = make_model(), make_model()
    model.encoder_k.update_parameters(model._query_encoder())
    assert other.encoder_k.num_steps == 0
    other.load_state_dict(model.state_dict())
    assert other.encoder_k.num_steps == 1
    # Weights without a key encoder: it begins as their copy.
    fresh, weights = make_model(), model.state_dict()
    fresh.load_state_dict(
        {k: v for k, v in weights.items() if 'encoder_k' not in k},
        strict=False,
    )
    inputs = views(3)[0]
    fresh.eval(), model.eval()
    torch.testing.assert_close(fresh(inputs, mode='key'), model(inputs))


@pytest.mark.parametrize('momentum', [0, 1, 1.5])
def test_key_encoder__momentum_is_checked(momentum):
    with pytest.raises(ValueError, match=r'must lie in \(0, 1\), got'):
        KeyEncoder(torch.nn.Linear(2, 2), momentum)


def test_moco__is_what_the_scope_builds():
    assert isinstance(make_model(), MoCo)
