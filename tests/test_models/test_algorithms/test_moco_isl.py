import copy

import pytest
import torch
from mmengine.registry import DefaultScope
from mmpretrain.structures import DataSample
from tiny_methods import moco, moco_isl

from mmisl.registry import MODELS

NUM_SAMPLES = 9


@pytest.fixture(autouse=True)
def scope():
    with DefaultScope.overwrite_default_scope('mmisl'):
        yield


def make_model(tiny=moco_isl, **changes):
    cfg = copy.deepcopy(tiny.OVERRIDES['model'])
    del cfg['_delete_']
    return MODELS.build({**cfg, **changes}).double()


def batch_of(indices):
    images = torch.randn(2, len(indices), 3, 16, 16, dtype=torch.float64)
    samples = [
        DataSample(metainfo=dict(sample_idx=i, draw_key=(1, 0, abs(i), 0)))
        for i in indices
    ]
    return list(images), samples


def gradients(model):
    return torch.cat(
        [
            param.grad.flatten()
            for param in model.parameters()
            if param.grad is not None
        ]
    )


def test_loss__empty_graph_is_moco_for_several_steps():
    models = [make_model(), make_model(moco)]
    models[0].set_num_samples(NUM_SAMPLES)
    models[1].load_state_dict(models[0].state_dict(), strict=False)
    optimizers = [
        torch.optim.SGD(model.parameters(), lr=0.1) for model in models
    ]
    # The queue of 19 keys holds stale keys of the batch from step 2 on.
    for indices in ([3, 0, 8, 5], [3, -1, 1, 2], [0, 3, 4, 7], [3, 8, 6, 5]):
        inputs, samples = batch_of(indices)
        losses = []
        for model, optimizer in zip(models, optimizers):
            optimizer.zero_grad()
            loss = sum(model.loss(inputs, samples).values())
            loss.backward()
            optimizer.step()
            losses.append(loss)
        models[0].memory.apply_update()
        torch.testing.assert_close(*losses, rtol=0, atol=1e-12)
        torch.testing.assert_close(
            *[gradients(model) for model in models], rtol=0, atol=1e-12
        )
    for key, value in models[1].state_dict().items():
        torch.testing.assert_close(
            models[0].state_dict()[key], value, rtol=0, atol=1e-12
        )


def test_loss__the_bank_holds_the_latest_keys():
    model = make_model()
    model.set_num_samples(NUM_SAMPLES)
    before = model.memory.bank.clone()
    inputs, samples = batch_of([3, -1, 0])
    model.loss(inputs, samples)
    assert torch.equal(model.memory.bank, before)  # not before the step
    model.memory.apply_update()
    with torch.no_grad():
        keys = model.encoder_k(inputs[1])
    torch.testing.assert_close(model.memory.bank[[3, 0]], keys[[0, 2]])
    assert (model.memory.bank != before).any(1).sum() == 2


def test_loss__positives_come_from_the_graph():
    model = make_model()
    model.set_num_samples(NUM_SAMPLES)
    state = copy.deepcopy(model.state_dict())
    inputs, samples = batch_of([3, 1, 0])
    plain = model.loss(inputs, samples)
    model.load_state_dict(state)
    model.memory._deferred.clear()
    model.graph.add_edges(torch.tensor([3]), torch.tensor([0]))
    mined = model.loss(inputs, samples)
    assert mined['loss_contrastive'] != plain['loss_contrastive']
    assert mined['loss_hard_positive'] > 0 == plain['loss_hard_positive']


def test_mine__views_of_the_key_encoder():
    model = make_model()
    assert (model.mining_views, model.mining_mode) == ('augmented', 'key')
    model.set_num_samples(NUM_SAMPLES)
    inputs, samples = batch_of(range(NUM_SAMPLES))
    sum(model.loss(inputs, samples).values()).backward()
    model.memory.apply_update()
    with torch.no_grad():
        for param in model.backbone.parameters():
            param.add_(torch.randn_like(param))
        views = model.eval()(inputs, mode='key')
        assert torch.equal(views, model.encoder_k(inputs[0]))
    assert (views - model(inputs)).abs().max() > 1e-3
    summary = model.float().mine([views.float()], 2.0, 0)
    assert model.graph.num_edges == summary.num_accepted > 0


@pytest.mark.parametrize(
    ('part', 'words'),
    [
        ('queue', r'model.queue.feat_dim \(5\) must equal'),
        ('miner', r'model.miner.feat_dim \(5\) must equal'),
    ],
)
def test_init__sizes_must_agree(part, words):
    changed = dict(moco_isl.OVERRIDES['model'][part], feat_dim=5)
    with pytest.raises(ValueError, match=words):
        make_model(**{part: changed})


def test_loss__bank_must_have_its_size():
    with pytest.raises(RuntimeError, match='the memory bank has no size yet'):
        make_model().loss(*batch_of([0, 1]))
