"""MoCo's protocol on VOC2007 alone: sizes of images, 9,000 iterations.

Short side 480 to 800, 800 in the test; 16 images on 8 GPUs, learning rate
0.02. See faster-rcnn_r50-c4_voc07.py.
"""

_base_ = 'voc07.py'

sync_bn = 'torch'  # where there are several GPUs

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(
        type='RandomChoiceResize',
        scales=[(1333, side) for side in range(480, 801, 32)],
        keep_ratio=True,
    ),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackDetInputs'),
]
test_pipeline = _base_.test_pipeline
test_pipeline[1]['scale'] = (1333, 800)
train_dataloader = dict(
    # As detectron2 does, and with it MoCo.
    dataset=dict(train_on_difficult=True, pipeline=train_pipeline)
)
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

train_cfg = dict(type='IterBasedTrainLoop', max_iters=9000, val_interval=3000)
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.02, momentum=0.9, weight_decay=1e-4),
    # detectron2's WEIGHT_DECAY_NORM.
    paramwise_cfg=dict(norm_decay_mult=0.0),
)
param_scheduler = [
    dict(
        type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=100
    ),
    dict(
        type='MultiStepLR',
        by_epoch=False,
        milestones=[6750, 8250],
        gamma=0.1,
    ),
]
auto_scale_lr = dict(base_batch_size=16)
