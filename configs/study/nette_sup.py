"""Imagenette: supervised training, the upper yardstick.

Command: ``python tools/train.py configs/study/nette_sup.py``; with the others
of its table: docs/results.md. Hardware meant for: one CPU core, about a minute
an epoch. Paper: no such data. Here: not run.

Images, augmentation and epochs of nette_isl.py, the optimizer of
sup_r18_imagenette_cpu.py.
"""

_base_ = 'nette_isl.py'

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
    encoder=dict(_delete_=True, max_epochs=40, val_interval=8),
    mining=dict(_delete_=True),
)
optim_wrapper = dict(optimizer=dict(lr=0.05, weight_decay=1e-4))
param_scheduler = [
    dict(type='CosineAnnealingLR', eta_min=0, T_max=40, by_epoch=True)
]
