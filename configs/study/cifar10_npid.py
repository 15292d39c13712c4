"""The study: NPID, which is ISL without any mining.

Command: ``python tools/train.py configs/study/cifar10_npid.py``; with the
others of its table: docs/results.md. Hardware meant for: one CPU core, 10 to
20 s an epoch. Paper: no such data. Here: kNN 50.6 ± 0.2 %, linear 52.8 ± 0.7 %
(3 seeds).
"""

_base_ = 'cifar10_isl.py'

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
    encoder=dict(_delete_=True, max_epochs=60, val_interval=20),
    mining=dict(_delete_=True),
)
