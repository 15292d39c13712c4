import torch
from mmengine.optim import build_optim_wrapper
from torch import nn


def make_model():
    model = nn.ModuleDict(dict(encoder=nn.Linear(3, 2), gan=nn.Linear(2, 2)))
    model['gan'].requires_grad_(False)
    return model


def build(**cfg):
    cfg = dict(
        type='OptimWrapper',
        constructor='mmisl.TrainableParamsConstructor',
        optimizer=dict(type='SGD', lr=0.1, weight_decay=0.01),
        **cfg,
    )
    return build_optim_wrapper(model, cfg)


model = make_model()


def test_trainable_params__frozen_ones_are_left_out():
    groups = build().optimizer.param_groups
    assert [len(group['params']) for group in groups] == [2]
    expected = list(model['encoder'].parameters())
    assert all(a is b for a, b in zip(groups[0]['params'], expected))


def test_trainable_params__with_paramwise_settings():
    wrapper = build(paramwise_cfg=dict(bias_decay_mult=0.0))
    params = [p for g in wrapper.optimizer.param_groups for p in g['params']]
    assert len(params) == 2
    assert all(p.requires_grad for p in params)


def test_trainable_params__step_moves_the_encoder_only():
    wrapper = build()
    before = [p.clone() for p in model.parameters()]
    wrapper.update_params(model['encoder'](torch.ones(4, 3)).sum())
    moved = [not torch.equal(a, b) for a, b in zip(before, model.parameters())]
    assert moved == [True, True, False, False]
