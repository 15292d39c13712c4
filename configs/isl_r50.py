"""ISL on ImageNet with ResNet-50, 4 rounds of 100 epochs.

Command: ``tools/dist_train.sh configs/isl_r50.py 8``. Hardware meant for:
8 GPUs with 32 images each; the bank takes 0.61 GiB on every one.
Paper: the main tables were not at hand;
VOC07 detection in its supplement is 70.0 (Faster R-CNN). Here: not run.

Deviations from the released code: cosine learning rate instead of one steered
by test labels; GAN and mining on 8 cached views instead of up to 400 passes
over the images; the best generator is kept and the quota of a round is met
exactly; no mining after the last round.
"""

_base_ = [
    '_base_/models/isl_r50_imagenet.py',
    '_base_/datasets/imagenet.py',
    '_base_/schedules/rounds_imagenet.py',
    '_base_/default_runtime.py',
]
