"""Local Aggregation on 5,000 real photographs on a CPU: ISL's rival.

Data: as for ``isl_r18_cifar10jpeg_cpu.py``, whose network, images, batch size,
optimizer and number of epochs (60) these are.
Command: ``python tools/train.py configs/la_r18_cifar10jpeg_cpu.py``.
Hardware meant for: 2 CPU cores. Paper: no such data. Here: kNN
38.3 % (one seed, K=200, 10,000 test images, JPEGs of CIFAR-10); what it has
for positives: docs/visualization.md.

Deviations from the published constants: 40 epochs of warm start, as long as
ISL's first round; 3 clusterings into 120 clusters, which keeps the published
42 images a cluster; the whole bank is the background.
"""

_base_ = 'isl_r18_cifar10jpeg_cpu.py'

model = dict(
    _delete_=True,
    type='LocalAggregation',
    backbone=_base_.model.backbone,
    neck=_base_.model.neck,
    head=dict(
        type='LocalAggregationHead', temperature=0.1, num_background=5000
    ),
    memory=_base_.model.memory,
    num_clusters=120,
    num_clusterings=3,
)
train_cfg = dict(
    _delete_=True,
    type='RoundBasedTrainLoop',
    max_rounds=21,
    encoder=dict(first_epochs=40, max_epochs=1, val_interval=10),
)
default_hooks = dict(checkpoint=dict(after_mining=False))
