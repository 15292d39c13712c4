"""Linear classifier on a frozen ResNet-50, ImageNet: the protocol of MoCo.

Command: ``tools/dist_train.sh configs/linear_r50.py 8 --cfg-options
model.checkpoint=PATH``, PATH being a checkpoint of a pretraining run with
``mmpretrain.ResNet(depth=50)``. Hardware meant for: 8 GPUs with 32 images
each.
Paper: top-1 60.8 with MoCo v1, 67.5 with MoCo v2 (their repository, mean of 5
runs), both after 200 epochs. Here: not run.

Learning rate 30, a tenth of it from epochs 60 and 80 on, 100 epochs, no weight
decay, features of the last stage pooled globally: MoCo's, whose features they
suit; where a loss is not finite, lower ``optim_wrapper.optimizer.lr`` or set
``model.feature_norm=True``. The rate is meant for 256 images a step; with
others add ``--auto-scale-lr``. No deviation is known. The SHA-256 of the
backbone before and after training stands in the log.
"""

_base_ = [
    '_base_/datasets/imagenet_labels.py',
    '_base_/schedules/labels.py',
    '_base_/default_runtime.py',
]

model = dict(
    type='LinearProbes',
    backbone=dict(type='mmpretrain.ResNet', depth=50),
    num_classes=1000,
    image_size=224,
    stages=['layer4'],
    pool_values=None,
    checkpoint='work_dirs/mocov2_r50/epoch_200.pth',
)
optim_wrapper = dict(optimizer=dict(lr=30.0))
param_scheduler = [
    dict(type='MultiStepLR', milestones=[60, 80], gamma=0.1, by_epoch=True)
]
custom_hooks = [
    dict(type='FrozenBackboneHook'),
    dict(type='RunRecordHook'),
    dict(type='StageTimesHook'),
    dict(type='ProgressHook'),
]
