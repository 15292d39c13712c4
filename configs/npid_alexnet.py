"""NPID (instance discrimination) on ImageNet with AlexNet, 200 epochs.

Command: ``tools/dist_train.sh configs/npid_alexnet.py 8``. Hardware meant
for: 8 GPUs with 32 images each; the bank takes 0.61 GiB on every one.
Paper: nearest neighbours 31.3, linear conv1 to conv5 16.8, 26.5, 31.8, 34.1,
35.6 (as AND quotes them). Here: not run.

Deviations from the released code: those of npid_r50.py; AlexNet as in
isl_alexnet.py.
"""

_base_ = 'npid_r50.py'

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
)
train_dataloader = dict(dataset=dict(dataset=dict(pipeline=train_pipeline)))
gallery_dataloader = dict(dataset=dict(dataset=dict(pipeline=test_pipeline)))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
