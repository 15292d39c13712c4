"""Supervised quarter-width ResNet-18 on 5,000 CIFAR-10 JPEGs, on a CPU.

Command: ``python tools/train.py configs/sup_r18_cifar10jpeg_cpu.py``.
Hardware meant for: 2 CPU cores, 20 to 40 s an epoch. Paper: no such data.
Here: see docs/results.md.

The network, images and augmentation of isl_r18_cifar10jpeg_cpu.py with the
optimizer of sup_r18_cifar10.py: an upper yardstick for the scores of the
former.
"""

_base_ = 'isl_r18_cifar10jpeg_cpu.py'

model = dict(
    _delete_=True,
    type='Supervised',
    backbone=_base_.model.backbone,
    neck=dict(type='PoolingNeck', in_channels=128),
    head=dict(
        type='mmpretrain.LinearClsHead',
        num_classes=10,
        in_channels=128,
        loss=dict(type='mmpretrain.CrossEntropyLoss'),
    ),
)
# One round is a run without mining.
train_cfg = dict(
    max_rounds=1,
    encoder=dict(_delete_=True, max_epochs=30, val_interval=10),
    mining=dict(_delete_=True),
)
optim_wrapper = dict(optimizer=dict(lr=0.1, weight_decay=1e-4))
param_scheduler = [
    dict(type='CosineAnnealingLR', eta_min=0, T_max=30, by_epoch=True)
]
