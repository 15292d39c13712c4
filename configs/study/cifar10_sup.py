"""The study: supervised training, the upper yardstick.

Command: ``python tools/train.py configs/study/cifar10_sup.py``; with the
others of its table: docs/results.md. Hardware meant for: one CPU core, 10 to
20 s an epoch. Paper: no such data. Here: kNN 72.4 %, linear 73.2 % (1 seed).

Images, augmentation and epochs of cifar10_isl.py, the optimizer of
sup_r18_cifar10.py.
"""

_base_ = 'cifar10_isl.py'

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
# Items of a ResidentDataset carry no labels.
train_dataloader = dict(dataset=dict(type='InstanceDataset'))
# One round is a run without mining.
train_cfg = dict(
    max_rounds=1,
    encoder=dict(_delete_=True, max_epochs=60, val_interval=20),
    mining=dict(_delete_=True),
)
optim_wrapper = dict(optimizer=dict(lr=0.1, weight_decay=1e-4))
param_scheduler = [
    dict(type='CosineAnnealingLR', eta_min=0, T_max=60, by_epoch=True)
]
