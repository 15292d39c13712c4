"""The full study: Local Aggregation, 50,000 images, 200 epochs, whole width.

Command: ``python tools/train.py configs/study/full_la.py``; with the others of
its table: docs/results.md. Hardware meant for: one GPU. Paper: no such data.
Here: not run.

1,200 clusters keep the published 42 images a cluster, 10 clusterings and a
background of 4,096 rows are the published numbers.
"""

_base_ = 'full_isl.py'

model = dict(
    _delete_=True,
    type='LocalAggregation',
    backbone=_base_.model.backbone,
    neck=_base_.model.neck,
    head=dict(
        type='LocalAggregationHead', temperature=0.1, num_background=4096
    ),
    memory=_base_.model.memory,
    num_clusters=1200,
    num_clusterings=10,
    channels_last=True,
)
train_cfg = dict(
    _delete_=True,
    type='RoundBasedTrainLoop',
    max_rounds=61,
    encoder=dict(first_epochs=140, max_epochs=1, val_interval=20),
)
default_hooks = dict(checkpoint=dict(after_mining=False))
custom_hooks = [
    *_base_.custom_hooks[:2],
    dict(type='MiningSnapshotHook', interval=10),
    *_base_.custom_hooks[3:],
]
