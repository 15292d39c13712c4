"""Local Aggregation on ImageNet with ResNet-50, 200 epochs.

Command: ``tools/dist_train.sh configs/la_r50.py 8``. Hardware meant for:
8 GPUs with 16 images each; the bank takes 0.61 GiB on every one. Ten k-means
into 30,000 clusters precede every epoch: a faiss built for GPUs is needed.
Paper: linear 60.2; VOC07 detection 69.1 (Faster R-CNN). Here: not run.

Deviations from the authors' code: the published steps of the learning rate,
given in iterations, are rounded to epochs; augmentation is that of ISL's code,
which is NPID's but for the order; Z of the warm start is measured, not fixed.
"""

_base_ = [
    '_base_/datasets/imagenet.py',
    '_base_/schedules/rounds_imagenet.py',
    '_base_/default_runtime.py',
]

model = dict(
    type='LocalAggregation',
    backbone=dict(
        type='mmpretrain.ResNet', depth=50, zero_init_residual=False
    ),
    neck=dict(type='ISLNeck', in_channels=2048),
    head=dict(
        type='LocalAggregationHead', temperature=0.07, num_background=4096
    ),
    memory=dict(type='MemoryBank', momentum=0.5),
    warmup_head=dict(type='NCEHead', temperature=0.07, num_negatives=4096),
    num_clusters=30000,
    num_clusterings=10,
)
train_dataloader = dict(batch_size=16)  # x 8 GPUs = 128
train_cfg = dict(
    _delete_=True,
    type='RoundBasedTrainLoop',
    max_rounds=191,  # 10 epochs of warm start, 190 after a clustering each
    encoder=dict(first_epochs=10, max_epochs=1, val_interval=2),
)
param_scheduler = [
    dict(type='MultiStepLR', milestones=[152, 189], gamma=0.1, by_epoch=True)
]
auto_scale_lr = dict(base_batch_size=128)
# A clustering that a kill undoes is made anew: one checkpoint an epoch.
default_hooks = dict(checkpoint=dict(after_mining=False))
# The other ranks wait while one still clusters.
env_cfg = dict(dist_cfg=dict(timeout=7200))
