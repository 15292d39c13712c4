"""The study: Local Aggregation.

Command: ``python tools/train.py configs/study/cifar10_la.py``; with the others
of its table: docs/results.md. Hardware meant for: one CPU core, 10 to 20 s an
epoch. Paper: no such data. Here: kNN 46.1 ± 1.0 %, linear 51.9 ± 1.0 % (3
seeds).

Deviations from the published constants: 40 epochs of warm start, as long as
ISL's first round; 3 clusterings into 240 clusters, which keeps the published
42 images a cluster; a background of 4,096 rows, the published number.
"""

_base_ = 'cifar10_isl.py'

model = dict(
    _delete_=True,
    type='LocalAggregation',
    backbone=_base_.model.backbone,
    neck=_base_.model.neck,
    head=dict(
        type='LocalAggregationHead', temperature=0.1, num_background=4096
    ),
    memory=_base_.model.memory,
    num_clusters=240,
    num_clusterings=3,
    channels_last=True,
)
train_cfg = dict(
    _delete_=True,
    type='RoundBasedTrainLoop',
    max_rounds=21,
    encoder=dict(first_epochs=40, max_epochs=1, val_interval=20),
)
default_hooks = dict(checkpoint=dict(after_mining=False))
custom_hooks = [
    *_base_.custom_hooks[:2],
    dict(type='MiningSnapshotHook', interval=10),
    *_base_.custom_hooks[3:],
]
