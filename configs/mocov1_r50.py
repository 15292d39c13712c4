"""MoCo v1 on ImageNet with ResNet-50, 200 epochs.

Command: ``tools/dist_train.sh configs/mocov1_r50.py 8``. Hardware meant for:
8 GPUs with 32 images each.
Paper: linear 60.8 (their repository, mean of 5 runs); VOC07 detection in
ISL's supplement is 74.9. Here: not run.

Deviations from the authors' code: as in ``mocov2_r50.py``.
"""

_base_ = [
    '_base_/models/mocov2_r50_imagenet.py',
    '_base_/datasets/imagenet_mocov1.py',
    '_base_/schedules/moco_imagenet.py',
    '_base_/default_runtime.py',
]

model = dict(
    neck=dict(_delete_=True, type='ISLNeck', in_channels=2048),
    head=dict(temperature=0.07),
)
param_scheduler = [
    dict(type='MultiStepLR', milestones=[120, 160], gamma=0.1, by_epoch=True)
]
