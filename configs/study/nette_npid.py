"""Imagenette: NPID, which is ISL without any mining.

Command: ``python tools/train.py configs/study/nette_npid.py``; with the others
of its table: docs/results.md. Hardware meant for: one CPU core, about a minute
an epoch. Paper: no such data. Here: kNN 47.4 %, linear 57.2 % (1 seed).
"""

_base_ = 'nette_isl.py'

model = dict(
    _delete_=True,
    type='NPID',
    backbone=_base_.model.backbone,
    neck=_base_.model.neck,
    head=dict(type='NPIDHead', temperature=0.1),
    memory=_base_.model.memory,
    channels_last=True,
)
# One round is a run without mining.
train_cfg = dict(
    max_rounds=1,
    encoder=dict(_delete_=True, max_epochs=40, val_interval=8),
    mining=dict(_delete_=True),
)
