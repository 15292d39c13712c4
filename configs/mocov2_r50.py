"""MoCo v2 on ImageNet with ResNet-50, 200 epochs.

Command: ``tools/dist_train.sh configs/mocov2_r50.py 8``. Hardware meant for:
8 GPUs with 32 images each.
Paper: linear 67.5 (their repository, mean of 5 runs); VOC07 detection in
ISL's supplement is 76.3. Here: not run.

Deviations from the authors' code: the last batch of an epoch is not dropped;
the order of the shuffled keys is drawn alike on all GPUs instead of being
sent by the first.
"""

_base_ = [
    '_base_/models/mocov2_r50_imagenet.py',
    '_base_/datasets/imagenet_mocov2.py',
    '_base_/schedules/moco_imagenet.py',
    '_base_/default_runtime.py',
]
