"""NPID (instance discrimination) on ImageNet with ResNet-50, 200 epochs.

Command: ``tools/dist_train.sh configs/npid_r50.py 8``. Hardware meant for:
8 GPUs with 32 images each; the bank takes 0.61 GiB on every one.
Paper: nearest neighbour 46.8 and linear 58.5 (the authors' later release,
which samples 65,536 negatives). Here: not run.

Deviation from the released code: the exact softmax over all images in place
of sampled negatives. Noise contrastive estimation with 4,096 negatives, as
first released: ``--cfg-options model.head.type=NCEHead``.
"""

_base_ = [
    '_base_/datasets/imagenet.py',
    '_base_/schedules/rounds_imagenet.py',
    '_base_/default_runtime.py',
]

model = dict(
    type='NPID',
    backbone=dict(
        type='mmpretrain.ResNet', depth=50, zero_init_residual=False
    ),
    neck=dict(type='ISLNeck', in_channels=2048),
    head=dict(type='NPIDHead', temperature=0.07),
    memory=dict(type='MemoryBank', momentum=0.5),
)
# One round is a run without mining.
train_cfg = dict(
    max_rounds=1,
    encoder=dict(max_epochs=200, val_interval=2),
    mining=dict(_delete_=True),
)
param_scheduler = [
    dict(type='MultiStepLR', milestones=[120, 160], gamma=0.1, by_epoch=True)
]
