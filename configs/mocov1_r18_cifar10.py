"""MoCo v1 on CIFAR-10 with ResNet-18 for 32x32 images, 200 epochs.

Command: ``python tools/train.py configs/mocov1_r18_cifar10.py``.
Hardware meant for: one GPU. Paper: none on CIFAR-10. Here: not run.

All numbers are those of ``moco_cifar10_demo.ipynb`` of MoCo's authors, without
its option of a symmetric loss; its linear neck is v1's, its jitter and cosine
are v2's. Deviations: the last batch of an epoch is not dropped, the first
convolution and the head are initialised as mmpretrain's and PyTorch's.
"""

_base_ = 'mocov2_r18_cifar10.py'

model = dict(neck=dict(_delete_=True, type='ISLNeck', in_channels=512))
