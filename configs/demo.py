"""ISL on handwritten digits over textures, on a CPU: what ``make demo`` runs.

Command: ``make demo``, or ``python tools/train.py configs/demo.py`` for this
run alone. Hardware meant for: 2 CPU cores.

A quarter-width ResNet-18, 3 rounds. The first round is longer: neighbours
mined from features that are still poor cost accuracy. Deviations from the
published constants: residual generator and votes over 4 views, 112 draws for
the negative (the share of the bank that 4,096 are of 50,000), a cap of 20
neighbours.
"""

_base_ = [
    '_base_/models/isl_r18_small.py',
    '_base_/datasets/digits.py',
    '_base_/schedules/rounds_small.py',
    '_base_/default_runtime.py',
]

model = dict(
    backbone=dict(stem_channels=16, base_channels=16, strides=(2, 2, 2, 2)),
    neck=dict(in_channels=128),
    miner=dict(
        generator='residual',
        ranking='votes',
        num_draws=112,
        max_degree=20,
        training=dict(
            min_iters=200, max_iters=600, eval_interval=50, patience=4
        ),
    ),
)
train_cfg = dict(
    max_rounds=3,
    encoder=dict(_delete_=True, max_epochs=8, first_epochs=40, val_interval=4),
    mining=dict(num_views=4, quota_per_round=2.0),
)
optim_wrapper = dict(optimizer=dict(lr=0.06))
param_scheduler = [
    dict(type='CosineAnnealingLR', eta_min=0, T_max=56, end=56, by_epoch=True)
]
default_hooks = dict(logger=dict(interval=45))
env_cfg = dict(dist_cfg=dict(backend='gloo'))
