"""The full study: MoCo v2 with mined positives.

Command: ``python tools/train.py configs/study/full_mocov2_isl.py``; with the
others of its table: docs/results.md. Hardware meant for: one GPU. Paper: no
such data. Here: not run.
"""

_base_ = 'cifar10_mocov2_isl.py'

model = dict(
    backbone=dict(stem_channels=64, base_channels=64),
    neck=dict(in_channels=512, hid_channels=512),
    queue=dict(size=4096),
    miner=dict(num_draws=4096),
)
train_dataloader = dict(dataset=dict(dataset=dict(indices=None)))
gallery_dataloader = dict(
    num_workers=4, dataset=dict(dataset=dict(indices=None))
)
val_dataloader = dict(num_workers=4)
test_dataloader = val_dataloader
train_cfg = dict(
    encoder=dict(max_epochs=30, first_epochs=140, val_interval=20)
)
optim_wrapper = dict(type='AmpOptimWrapper', dtype='bfloat16')
param_scheduler = [
    dict(type='CosineAnnealingLR', eta_min=0, T_max=200, by_epoch=True)
]
env_cfg = dict(dist_cfg=dict(backend='nccl'))
