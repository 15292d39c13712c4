"""The study: MoCo v2, without any mining.

Command: ``python tools/train.py configs/study/cifar10_mocov2.py``; with the
others of its table: docs/results.md. Hardware meant for: one CPU core, 10 to
20 s an epoch. Paper: no such data. Here: kNN 50.4 ± 0.4 %, linear 55.8 ± 0.8 %
(3 seeds).
"""

_base_ = 'cifar10_mocov2_isl.py'

model = dict(
    _delete_=True,
    type='MoCo',
    backbone=_base_.model.backbone,
    neck=_base_.model.neck,
    head=dict(
        type='mmpretrain.ContrastiveHead',
        loss=dict(type='mmpretrain.CrossEntropyLoss'),
        temperature=0.1,
    ),
    queue=_base_.model.queue,
    momentum=0.01,
)
# One round is a run without mining.
train_cfg = dict(
    max_rounds=1,
    encoder=dict(_delete_=True, max_epochs=60, val_interval=20),
    mining=dict(_delete_=True),
)
