"""ISL on CIFAR-10 with ResNet-50 for 32x32 images, 4 rounds of 200 epochs.

Command: ``python tools/train.py configs/isl_r50_cifar10.py``.
Hardware meant for: one GPU. Paper: number not at hand. Here: not run.

Deviations from the released code: cosine learning rate instead of one steered
by test labels; GAN and mining on 8 cached views instead of up to 400 passes
over the images; the best generator is kept and the quota of a round is met
exactly; no mining after the last round.
"""

_base_ = 'isl_r18_cifar10.py'

model = dict(backbone=dict(depth=50), neck=dict(in_channels=2048))
