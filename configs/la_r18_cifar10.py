"""Local Aggregation on CIFAR-10 with ResNet-18 for 32x32 images, 200 epochs.

Command: ``python tools/train.py configs/la_r18_cifar10.py``. Hardware meant
for: one GPU. Paper: has no CIFAR-10. Here: not run.

Settings, not tuned. 1,200 clusters keep the 43 images that a cluster has on
average on ImageNet, 10 clusterings are those of its ResNets. The background
stays at 4,096 rows: the same share of this bank would be 160, too few to tell
an image from. Temperature 0.1, weight decay 5e-4 and batch 128 are NPID's for
this set; warm start and learning rate are as on ImageNet, its steps at the
same 76 and 95 % of the epochs.
"""

_base_ = [
    '_base_/datasets/cifar10.py',
    '_base_/schedules/rounds_small.py',
    '_base_/default_runtime.py',
]

model = dict(
    type='LocalAggregation',
    backbone=dict(
        type='mmpretrain.ResNet_CIFAR', depth=18, zero_init_residual=False
    ),
    neck=dict(type='ISLNeck', in_channels=512),
    head=dict(
        type='LocalAggregationHead', temperature=0.1, num_background=4096
    ),
    memory=dict(type='MemoryBank', momentum=0.5),
    num_clusters=1200,
    num_clusterings=10,
)
train_cfg = dict(
    _delete_=True,
    type='RoundBasedTrainLoop',
    max_rounds=191,  # 10 epochs of warm start, 190 after a clustering each
    encoder=dict(first_epochs=10, max_epochs=1, val_interval=5),
)
param_scheduler = [
    dict(type='MultiStepLR', milestones=[152, 189], gamma=0.1, by_epoch=True)
]
default_hooks = dict(checkpoint=dict(after_mining=False))
