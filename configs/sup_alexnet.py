"""Supervised AlexNet on ImageNet, 90 epochs: the upper yardstick.

Command: ``tools/dist_train.sh configs/sup_alexnet.py 8``. Hardware meant for:
8 GPUs with 32 images each. Paper: linear conv1 to conv5 19.3, 36.3, 44.2,
48.3, 50.5 (as AND quotes them). Here: not run.

torchvision's recipe for AlexNet (learning rate 0.01, divided by 10 every 30
epochs). Deviations from it: the AlexNet of isl_alexnet.py, with batch
normalisation and without dropout, on 227x227; augmentation of isl_r50.py, so
that nothing but the supervision differs.
"""

_base_ = 'sup_r50.py'

# AlexNet sees 227x227, as in isl_alexnet.py.
train_pipeline = _base_.train_pipeline
train_pipeline[2]['size'] = 227
test_pipeline = _base_.test_pipeline
test_pipeline[3]['size'] = 227

model = dict(
    backbone=dict(
        _delete_=True, type='AlexNetBN', variant='imagenet', out_indices=(4,)
    ),
    neck=dict(in_channels=256, fc_channels=(4096, 4096), map_size=6),
    head=dict(in_channels=4096),
)
train_dataloader = dict(dataset=dict(dataset=dict(pipeline=train_pipeline)))
gallery_dataloader = dict(dataset=dict(dataset=dict(pipeline=test_pipeline)))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
train_cfg = dict(encoder=dict(max_epochs=90))
optim_wrapper = dict(optimizer=dict(lr=0.01))
param_scheduler = [
    dict(type='MultiStepLR', milestones=[30, 60], gamma=0.1, by_epoch=True)
]
