"""Linear classifier on a frozen ResNet-18 for 32x32 images, CIFAR-10.

Command: ``python tools/train.py configs/linear_r18_cifar10.py --cfg-options
model.checkpoint=PATH``, PATH being a checkpoint of a run such as
isl_r18_cifar10.py. Hardware meant for: one GPU; a CPU takes hours.
Paper: has no linear protocol for CIFAR-10. Here: not run.

Settings, not tuned: globally pooled features of the last stage, normalised, so
that one learning rate suits all methods; 100 epochs of a cosine from 0.1,
batch 128, no weight decay; random crops as in pretraining, no flip and no
colours.
"""

_base_ = [
    '_base_/datasets/cifar10.py',
    '_base_/schedules/labels.py',
    '_base_/default_runtime.py',
]

# Of the augmentation the crops alone.
train_pipeline = [
    *_base_.train_pipeline[:2],
    dict(type='mmpretrain.PackInputs'),
]
model = dict(
    type='LinearProbes',
    backbone=dict(type='mmpretrain.ResNet_CIFAR', depth=18),
    num_classes=10,
    image_size=32,
    stages=['layer4'],
    pool_values=None,
    feature_norm=True,
    checkpoint='work_dirs/isl_r18_cifar10/epoch_800.pth',
)
train_dataloader = dict(dataset=dict(dataset=dict(pipeline=train_pipeline)))
optim_wrapper = dict(optimizer=dict(lr=0.1))
param_scheduler = [
    dict(type='CosineAnnealingLR', eta_min=0, T_max=100, by_epoch=True)
]
auto_scale_lr = dict(base_batch_size=128)
custom_hooks = [
    dict(type='FrozenBackboneHook'),
    dict(type='RunRecordHook'),
    dict(type='StageTimesHook'),
    dict(type='ProgressHook'),
]
