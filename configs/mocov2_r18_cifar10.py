"""MoCo v2 on CIFAR-10 with ResNet-18 for 32x32 images, 200 epochs.

Command: ``python tools/train.py configs/mocov2_r18_cifar10.py``.
Hardware meant for: one GPU. Paper: none on CIFAR-10. Here: not run.

Queue of 4,096, temperature 0.1, momentum 0.01, split batch norm and schedule
are those of ``moco_cifar10_demo.ipynb`` of MoCo's authors; the neck of two
layers is that of lightly's benchmark. No blur: images are 32 pixels wide.
"""

_base_ = [
    '_base_/models/mocov2_r18_small.py',
    '_base_/datasets/cifar10_moco.py',
    '_base_/schedules/moco_small.py',
    '_base_/default_runtime.py',
]
