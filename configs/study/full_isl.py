"""The full study: ISL, 50,000 images, 200 epochs, whole width.

Command: ``python tools/train.py configs/study/full_isl.py``; with the others
of its table: docs/results.md. Hardware meant for: one GPU. Paper: no such
data. Here: not run.

The plan of cifar10_isl.py at full size: ResNet-18 as published for CIFAR, all
CIFAR-10 JPEGs, 200 epochs in 3 rounds of which the first has 140, the released
number of draws, bfloat16 on the GPU.
"""

_base_ = 'cifar10_isl.py'

model = dict(
    backbone=dict(stem_channels=64, base_channels=64),
    neck=dict(in_channels=512),
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
    dict(
        type='CosineAnnealingLR', eta_min=0, T_max=200, by_epoch=True, end=140
    ),
    dict(
        type='MultiStepLR', milestones=[140], gamma=5.0, by_epoch=True, end=200
    ),
    dict(
        type='CosineAnnealingLR',
        eta_min=0,
        T_max=30,
        by_epoch=True,
        begin=170,
        end=200,
    ),
]
env_cfg = dict(dist_cfg=dict(backend='nccl'))
