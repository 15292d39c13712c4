"""ISL on ImageNet with AlexNet, 4 rounds of 100 epochs.

Command: ``tools/dist_train.sh configs/isl_alexnet.py 8``. Hardware meant for:
8 GPUs with 32 images each; the bank takes 0.61 GiB on every one.
Paper: the main tables were not at hand; VOC07 detection in its
supplement is 56.6 (Fast R-CNN) and 54.2 (Faster R-CNN). Here: not run.

Deviations from the released code: cosine learning rate instead of one steered
by test labels; GAN and mining on 8 cached views instead of up to 400 passes
over the images; the best generator is kept and the quota of a round is met
exactly; no mining after the last round.
"""

_base_ = 'isl_r50.py'

# AlexNet sees 227x227, as released.
train_pipeline = _base_.train_pipeline
train_pipeline[2]['size'] = 227
test_pipeline = _base_.test_pipeline
test_pipeline[3]['size'] = 227

model = dict(
    backbone=dict(
        _delete_=True, type='AlexNetBN', variant='imagenet', out_indices=(4,)
    ),
    neck=dict(in_channels=256, fc_channels=(4096, 4096), map_size=6),
)
train_dataloader = dict(dataset=dict(dataset=dict(pipeline=train_pipeline)))
gallery_dataloader = dict(dataset=dict(dataset=dict(pipeline=test_pipeline)))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
