"""VOC2007 and how a detector is trained, tested and logged on it.

Data: ``data/VOCdevkit/VOC2007``, as ``tools/prepare_data.py voc07`` makes it.
Trains on trainval, 5,011 images, and tests on test, 4,952. Images are resized
to a short side of 600 and a long one of 1,000 at most, as Fast R-CNN does; a
batch of 2.

Both ways of VOC to take the mean are reported: ``voc07/AP50`` by 11 points, as
the challenge of 2007, and ``area/AP50`` by the area under the curve. Objects
marked difficult are left out of training and count neither way in the test.
"""

default_scope = 'mmdet'
custom_imports = dict(imports=['mmisl.detection'], allow_failed_imports=False)
runner_type = 'mmisl.LeanRunner'

data_root = 'data/VOCdevkit/'
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='Resize', scale=(1000, 600), keep_ratio=True),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackDetInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(1000, 600), keep_ratio=True),
    # After Resize: the metric compares boxes of the image as it is stored.
    dict(type='LoadAnnotations', with_bbox=True),
    dict(
        type='PackDetInputs',
        meta_keys=(
            'img_id',
            'img_path',
            'ori_shape',
            'img_shape',
            'scale_factor',
        ),
    ),
]
train_dataloader = dict(
    batch_size=2,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    batch_sampler=dict(type='AspectRatioBatchSampler'),
    dataset=dict(
        type='mmisl.StrictVOCDataset',
        data_root=data_root,
        ann_file='VOC2007/ImageSets/Main/trainval.txt',
        data_prefix=dict(sub_data_root='VOC2007/'),
        # Boxes of one pixel are 0 wide in mmdet, and have no logarithm.
        filter_cfg=dict(filter_empty_gt=True, bbox_min_size=1),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='mmisl.StrictVOCDataset',
        data_root=data_root,
        ann_file='VOC2007/ImageSets/Main/test.txt',
        data_prefix=dict(sub_data_root='VOC2007/'),
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = [
    dict(
        type='mmisl.PerClassVOCMetric',
        metric='mAP',
        eval_mode='11points',
        prefix='voc07',
    ),
    dict(
        type='mmisl.PerClassVOCMetric',
        metric='mAP',
        eval_mode='area',
        prefix='area',
    ),
]
test_evaluator = val_evaluator
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(
        type='LoggerHook',
        interval=50,
        # By iteration, as the losses.
        log_metric_by_epoch=False,
    ),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(
        type='mmisl.AtomicCheckpointHook', by_epoch=False, interval=1000
    ),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    visualization=dict(type='DetVisualizationHook'),
)
custom_hooks = [
    dict(type='mmisl.PreprocessingCheckHook'),
    dict(type='mmisl.RunRecordHook'),
    dict(type='mmisl.ProgressHook'),
]
env_cfg = dict(
    cudnn_benchmark=False,  # image sizes change
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'),
)
visualizer = dict(
    type='DetLocalVisualizer',
    vis_backends=[
        dict(type='LocalVisBackend'),
        dict(type='TensorboardVisBackend'),
    ],
)
log_processor = dict(type='LogProcessor', window_size=50, by_epoch=False)
log_level = 'INFO'
load_from = None
resume = False
randomness = dict(seed=1)
