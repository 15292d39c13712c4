"""Local Aggregation on the demo's digits, on a CPU.

Command: ``python tools/train.py configs/demo_la.py``, once ``make demo`` has
made the images. Hardware meant for: 2 CPU cores.

Network, data, batch size, optimizer and number of epochs (52) of ``demo.py``.
Deviations from the published constants, all for 1,437 images in 52 epochs: 40
epochs of warm start, since clusters of features that are still poor cost
accuracy (30 end below the untrained network's 39 %); 3 clusterings into 100
clusters of 14 images, where the published 43 images a cluster would give 33
clusters for 10 classes; the whole bank is the background, which 4,096 rows
are more than; temperature 0.1; AdamW.

Numbers: docs/results.md.
"""

_base_ = 'demo.py'

model = dict(
    _delete_=True,
    type='LocalAggregation',
    backbone=_base_.model.backbone,
    neck=_base_.model.neck,
    head=dict(
        type='LocalAggregationHead', temperature=0.1, num_background=4096
    ),
    memory=_base_.model.memory,
    num_clusters=100,
    num_clusterings=3,
)
train_cfg = dict(
    _delete_=True,
    type='RoundBasedTrainLoop',
    max_rounds=13,
    encoder=dict(first_epochs=40, max_epochs=1, val_interval=5),
)
default_hooks = dict(checkpoint=dict(after_mining=False))
