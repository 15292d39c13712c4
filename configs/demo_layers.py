"""Linear classifiers on every stage of the demo's network, frozen.

Command: ``python tools/train.py configs/demo_layers.py``, once
``python tools/train.py configs/demo_npid.py`` has trained the network; another
run's with ``--cfg-options model.checkpoint=PATH``. Hardware meant for: 2 CPU
cores.

The training images as the test sees them, normalised features, 20 epochs of a
cosine: settings, not tuned.
"""

_base_ = [
    '_base_/datasets/digits.py',
    '_base_/schedules/labels.py',
    '_base_/default_runtime.py',
]

model = dict(
    type='LinearProbes',
    backbone=dict(
        type='mmpretrain.ResNet_CIFAR',
        depth=18,
        num_stages=3,
        strides=(2, 2, 2),
        dilations=(1, 1, 1),
        out_indices=(2,),
        stem_channels=12,
        base_channels=12,
        zero_init_residual=False,
    ),
    num_classes=10,
    image_size=32,
    feature_norm=True,
    checkpoint='work_dirs/demo_npid/epoch_52.pth',
)
train_dataloader = dict(
    dataset=dict(dataset=dict(pipeline=_base_.test_pipeline))
)
train_cfg = dict(encoder=dict(max_epochs=20, val_interval=5))
optim_wrapper = dict(optimizer=dict(lr=0.003))
param_scheduler = [
    dict(type='CosineAnnealingLR', eta_min=0, T_max=20, by_epoch=True)
]
auto_scale_lr = dict(base_batch_size=32)
default_hooks = dict(logger=dict(interval=45))
env_cfg = dict(dist_cfg=dict(backend='gloo'))
custom_hooks = [
    dict(type='FrozenBackboneHook'),
    dict(type='RunRecordHook'),
    dict(type='StageTimesHook'),
    dict(type='ProgressHook'),
]
