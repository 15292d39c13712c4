"""Supervised ResNet-18 on CIFAR-10, 200 epochs: the upper yardstick.

Command: ``python tools/train.py configs/sup_r18_cifar10.py``.
Hardware meant for: one GPU. Paper: 91.9 with another network (as AND quotes
it). Here: not run.

mmpretrain's recipe for ResNet-18 (``resnet18_8xb16_cifar10.py``). Deviation
from it: augmentation is that of isl_r18_cifar10.py, so that nothing but the
supervision differs.
"""

_base_ = [
    '_base_/datasets/cifar10.py',
    '_base_/schedules/rounds_small.py',
    '_base_/default_runtime.py',
]

model = dict(
    type='Supervised',
    backbone=dict(type='mmpretrain.ResNet_CIFAR', depth=18),
    neck=dict(type='PoolingNeck', in_channels=512),
    head=dict(
        type='mmpretrain.LinearClsHead',
        num_classes=10,
        in_channels=512,
        loss=dict(type='mmpretrain.CrossEntropyLoss'),
    ),
)
# One round is a run without mining.
train_cfg = dict(
    max_rounds=1,
    encoder=dict(max_epochs=200, val_interval=5),
    mining=dict(_delete_=True),
)
val_evaluator = [
    dict(type='KNNMetric', k=200, temperature=0.1),
    dict(type='mmpretrain.Accuracy', topk=(1,)),
]
test_evaluator = val_evaluator
optim_wrapper = dict(optimizer=dict(lr=0.1, weight_decay=1e-4))
param_scheduler = [
    dict(type='MultiStepLR', milestones=[100, 150], gamma=0.1, by_epoch=True)
]
