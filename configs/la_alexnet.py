"""Local Aggregation on ImageNet with AlexNet, 160 epochs.

Command: ``tools/dist_train.sh configs/la_alexnet.py 8``. Hardware meant for:
8 GPUs with 16 images each; the bank takes 0.61 GiB on every one. Three
k-means into 30,000 clusters precede every epoch: a faiss built for GPUs is
needed. Paper: VOC07 detection 53.5 (Faster R-CNN). Here: not run.

Deviations from the authors' code: those of ``la_r50.py``; AlexNet and its
neck are those of ISL's code.
"""

_base_ = 'la_r50.py'

# AlexNet sees 227x227, as in ISL's code.
train_pipeline = _base_.train_pipeline
train_pipeline[2]['size'] = 227
test_pipeline = _base_.test_pipeline
test_pipeline[3]['size'] = 227

model = dict(
    backbone=dict(
        _delete_=True, type='AlexNetBN', variant='imagenet', out_indices=(4,)
    ),
    neck=dict(in_channels=256, fc_channels=(4096, 4096), map_size=6),
    num_clusterings=3,
)
train_dataloader = dict(dataset=dict(dataset=dict(pipeline=train_pipeline)))
gallery_dataloader = dict(dataset=dict(dataset=dict(pipeline=test_pipeline)))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
train_cfg = dict(max_rounds=151)  # 10 epochs of warm start and 150
param_scheduler = [
    dict(type='MultiStepLR', milestones=[119, 142], gamma=0.1, by_epoch=True)
]
