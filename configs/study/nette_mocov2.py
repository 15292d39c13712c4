"""Imagenette: MoCo v2, without any mining.

Command: ``python tools/train.py configs/study/nette_mocov2.py``; with the
others of its table: docs/results.md. Hardware meant for: one CPU core, not
timed. Paper: no such data. Here: kNN 33.0 %, linear 54.0 % (1 seed).
"""

_base_ = 'nette_mocov2_isl.py'

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
    momentum=0.05,
)
# One round is a run without mining.
train_cfg = dict(
    max_rounds=1,
    encoder=dict(_delete_=True, max_epochs=40, val_interval=8),
    mining=dict(_delete_=True),
)
