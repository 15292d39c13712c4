"""The full study: supervised training, 50,000 images, 200 epochs, whole width.

Command: ``python tools/train.py configs/study/full_sup.py``; with the others
of its table: docs/results.md. Hardware meant for: one GPU. Paper: no such
data. Here: not run.
"""

_base_ = 'full_isl.py'

model = dict(
    _delete_=True,
    type='Supervised',
    backbone=_base_.model.backbone,
    neck=dict(type='PoolingNeck', in_channels=512),
    head=dict(
        type='mmpretrain.LinearClsHead',
        num_classes=10,
        in_channels=512,
        loss=dict(type='mmpretrain.CrossEntropyLoss'),
    ),
)
# Items of a ResidentDataset carry no labels.
train_dataloader = dict(num_workers=4, dataset=dict(type='InstanceDataset'))
# One round is a run without mining.
train_cfg = dict(
    max_rounds=1,
    encoder=dict(_delete_=True, max_epochs=200, val_interval=20),
    mining=dict(_delete_=True),
)
optim_wrapper = dict(optimizer=dict(lr=0.1, weight_decay=1e-4))
param_scheduler = [
    dict(type='CosineAnnealingLR', eta_min=0, T_max=200, by_epoch=True)
]
