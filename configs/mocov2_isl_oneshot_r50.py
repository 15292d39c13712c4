"""Mine once from a trained MoCo v2, then train 50 epochs on.

Command: ``tools/dist_train.sh configs/mocov2_isl_oneshot_r50.py 8
--cfg-options load_from=PATH``, where PATH is a checkpoint of
``mocov2_r50.py``, or mmpretrain's of MoCo v2, whose names are the same.
Hardware meant for: 8 GPUs with 32 images each.
Paper: no such run is published. Here: not run.

The ablation of ``mocov2_isl_r50.py`` whose neighbours all come from features
that owe nothing to mining. Our choices: a quota of 2 neighbours, what the
rounds of ISL add up to; half of the learning rate.
"""

_base_ = 'mocov2_isl_r50.py'

load_from = 'work_dirs/mocov2_r50/epoch_200.pth'
train_cfg = dict(
    max_rounds=2,
    encoder=dict(max_epochs=50, first_epochs=0),
    # The bank is not in such a checkpoint: its rows are the views' mean.
    mining=dict(quota_per_round=2.0, refresh_bank=True),
)
optim_wrapper = dict(optimizer=dict(lr=0.015))
param_scheduler = [
    dict(type='CosineAnnealingLR', eta_min=0, T_max=50, by_epoch=True)
]
default_hooks = dict(checkpoint=dict(strict=False))
