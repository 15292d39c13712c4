"""NPID (instance discrimination) on CIFAR-10 with ResNet-18, 200 epochs.

Command: ``python tools/train.py configs/npid_r18_cifar10.py``.
Hardware meant for: one GPU. Paper: 60.3 with another network (as AND quotes
it). Here: not run.

No deviation from the released code with ``--nce-k 0``, its form for small
sets, but for the order of greyscale and colour jitter, which is that of
the other CIFAR-10 configs.
"""

_base_ = [
    '_base_/datasets/cifar10.py',
    '_base_/schedules/rounds_small.py',
    '_base_/default_runtime.py',
]

model = dict(
    type='NPID',
    backbone=dict(
        type='mmpretrain.ResNet_CIFAR', depth=18, zero_init_residual=False
    ),
    neck=dict(type='ISLNeck', in_channels=512),
    head=dict(type='NPIDHead', temperature=0.1),
    memory=dict(type='MemoryBank', momentum=0.5),
)
# One round is a run without mining.
train_cfg = dict(
    max_rounds=1,
    encoder=dict(max_epochs=200, val_interval=5),
    mining=dict(_delete_=True),
)
param_scheduler = [
    dict(
        type='MultiStepLR',
        milestones=[80, 120, 160],
        gamma=0.1,
        by_epoch=True,
    )
]
