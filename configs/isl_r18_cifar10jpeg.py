"""ISL with ResNet-18 on CIFAR-10 as JPEGs, 4 rounds of 200 epochs.

Data: ``mkdir -p data/cifar10_jpeg && tar xf cifar10_jpeg.tar.xz -C
data/cifar10_jpeg``, or any tree of ``train/CLASS`` and ``test/CLASS`` whose
images are of 32x32: the test images are not resized.
Command: ``python tools/train.py configs/isl_r18_cifar10jpeg.py --amp``.
Hardware meant for: one GPU. Paper: no such data. Here: not run.

Deviations from the released code: those of isl_r18_cifar10.py.
"""

_base_ = [
    '_base_/models/isl_r18_small.py',
    '_base_/datasets/cifar10jpeg.py',
    '_base_/schedules/rounds_small.py',
    '_base_/default_runtime.py',
]
