"""ISL on CIFAR-100 with AlexNet for 32x32 images, 4 rounds of 200 epochs.

Command: ``python tools/train.py configs/isl_alexnet_cifar100.py``.
Hardware meant for: one GPU. Paper: number not at hand. Here: not run.

Deviations from the released code: cosine learning rate instead of one steered
by test labels; GAN and mining on 8 cached views instead of up to 400 passes
over the images; the best generator is kept and the quota of a round is met
exactly; no mining after the last round.
"""

_base_ = 'isl_r18_cifar100.py'

model = dict(
    backbone=dict(
        _delete_=True, type='AlexNetBN', variant='small', out_indices=(4,)
    ),
    neck=dict(in_channels=256, fc_channels=(1024, 1024), map_size=4),
)
