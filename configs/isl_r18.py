"""ISL on ImageNet with ResNet-18, 4 rounds of 100 epochs.

Command: ``tools/dist_train.sh configs/isl_r18.py 8``. Hardware meant for:
8 GPUs with 32 images each; the bank takes 0.61 GiB on every one.
Paper: number not at hand. Here: not run.

Deviations from the released code: cosine learning rate instead of one steered
by test labels; GAN and mining on 8 cached views instead of up to 400 passes
over the images; the best generator is kept and the quota of a round is met
exactly; no mining after the last round.
"""

_base_ = 'isl_r50.py'

model = dict(backbone=dict(depth=18), neck=dict(in_channels=512))
