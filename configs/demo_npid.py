"""The demo's network and data with instance discrimination alone.

Command: ``python tools/train.py configs/demo_npid.py``, once ``make demo`` has
made the images. Hardware meant for: 2 CPU cores. As many epochs as demo.py has
in all its rounds.
"""

_base_ = 'demo.py'

model = dict(
    _delete_=True,
    type='NPID',
    backbone=_base_.model.backbone,
    neck=_base_.model.neck,
    head=dict(type='NPIDHead', temperature=0.1),
    memory=_base_.model.memory,
)
train_cfg = dict(
    _delete_=True,
    type='RoundBasedTrainLoop',
    max_rounds=1,
    encoder=dict(max_epochs=52, val_interval=5),
)
