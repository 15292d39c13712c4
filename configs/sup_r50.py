"""Supervised ResNet-50 on ImageNet, 100 epochs: the upper yardstick.

Command: ``tools/dist_train.sh configs/sup_r50.py 8``. Hardware meant for:
8 GPUs with 32 images each. Paper: number not at hand. Here: not run.

mmpretrain's recipe for ResNet-50 (``resnet50_8xb32_in1k.py``). Deviation from
it: augmentation is that of isl_r50.py, so that nothing but the supervision
differs; it crops less and also changes colours.
"""

_base_ = [
    '_base_/datasets/imagenet.py',
    '_base_/schedules/rounds_imagenet.py',
    '_base_/default_runtime.py',
]

model = dict(
    type='Supervised',
    backbone=dict(type='mmpretrain.ResNet', depth=50),
    neck=dict(type='PoolingNeck', in_channels=2048),
    head=dict(
        type='mmpretrain.LinearClsHead',
        num_classes=1000,
        in_channels=2048,
        loss=dict(type='mmpretrain.CrossEntropyLoss'),
    ),
)
# One round is a run without mining.
train_cfg = dict(
    max_rounds=1,
    # Without a bank every validation encodes the training images.
    encoder=dict(max_epochs=100, val_interval=10),
    mining=dict(_delete_=True),
)
val_evaluator = [
    dict(type='KNNMetric', k=200, temperature=0.07),
    dict(type='mmpretrain.Accuracy', topk=(1, 5)),
]
test_evaluator = val_evaluator
optim_wrapper = dict(optimizer=dict(lr=0.1))
param_scheduler = [
    dict(type='MultiStepLR', milestones=[30, 60, 90], gamma=0.1, by_epoch=True)
]
