"""Linear classifiers on stem and stages of a frozen ResNet-50, all at once.

Command: ``tools/dist_train.sh configs/layers_r50.py 8 --cfg-options
model.checkpoint=PATH``, PATH being a checkpoint of a pretraining run with
``mmpretrain.ResNet(depth=50)``. Hardware meant for: 8 GPUs with 16 images
each.
Paper: Local Aggregation 60.2 on its best stage. Here: not run.

Constants are Local Aggregation's: learning rate 0.01, weight decay 1e-4, batch
128, every stage jointly. Deviations: maps are pooled to at most 10,000 values,
where that code pools those of more than 200,000 by 2 or 4; one crop of a test
image instead of ten; 90 epochs and a tenth of the rate from 30 and 60 on,
where theirs are not at hand.
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
    checkpoint='work_dirs/isl_r50/epoch_400.pth',
)
train_dataloader = dict(batch_size=16)  # x 8 GPUs = 128
train_cfg = dict(encoder=dict(max_epochs=90))
optim_wrapper = dict(optimizer=dict(lr=0.01, weight_decay=1e-4))
param_scheduler = [
    dict(type='MultiStepLR', milestones=[30, 60], gamma=0.1, by_epoch=True)
]
auto_scale_lr = dict(base_batch_size=128)
custom_hooks = [
    dict(type='FrozenBackboneHook'),
    dict(type='RunRecordHook'),
    dict(type='StageTimesHook'),
    dict(type='ProgressHook'),
]
