"""The demo's network and data with labels: what supervised training gives.

Command: ``python tools/train.py configs/demo_sup.py``, once ``make demo`` has
made the images. Hardware meant for: 2 CPU cores. As many epochs as demo.py has
in all its rounds.
"""

_base_ = 'demo_npid.py'

model = dict(
    _delete_=True,
    type='Supervised',
    backbone=_base_.model.backbone,
    # The map is kept, as by the other methods.
    neck=dict(type='PoolingNeck', in_channels=48, map_size=4),
    head=dict(
        type='mmpretrain.LinearClsHead',
        num_classes=10,
        in_channels=768,
        loss=dict(type='mmpretrain.CrossEntropyLoss'),
    ),
)
