"""Fast R-CNN on AlexNet: regions of conv5 through fc6 and fc7."""

model = dict(
    type='FastRCNN',
    init_cfg=dict(
        type='mmisl.PretrainedParts',
        checkpoint='work_dirs/isl_alexnet/epoch_400.pth',
        parts={
            'backbone': dict(),
            'roi_head.shared_head.fc6': dict(prefix='neck.fc6.'),
            'roi_head.shared_head.fc7': dict(prefix='neck.fc7.'),
        },
    ),
    data_preprocessor=dict(
        type='DetDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,  # mmdet loads BGR, mmisl trains on RGB
    ),
    backbone=dict(
        type='mmisl.AlexNetBN',
        variant='imagenet',
        frozen_stages=0,  # conv1
        norm='frozen',
    ),
    roi_head=dict(
        type='StandardRoIHead',
        shared_head=dict(type='mmisl.AlexNetFCHead', norm='frozen'),
        bbox_roi_extractor=dict(
            type='mmisl.RoIPoolExtractor',
            output_size=6,
            out_channels=256,
            featmap_strides=[16],
            first_center=15,
        ),
        bbox_head=dict(
            type='BBoxHead',
            roi_feat_size=1,  # a vector of every region
            in_channels=4096,
            num_classes=20,
            bbox_coder=dict(
                type='DeltaXYWHBBoxCoder', target_stds=(0.1, 0.1, 0.2, 0.2)
            ),
            loss_cls=dict(type='CrossEntropyLoss'),
            loss_bbox=dict(type='SmoothL1Loss', beta=1.0),
        ),
    ),
    train_cfg=dict(
        rcnn=dict(
            assigner=dict(
                type='MaxIoUAssigner',
                pos_iou_thr=0.5,
                # Those that overlap nothing are no example of anything.
                neg_iou_thr=(0.1, 0.5),
                min_pos_iou=0.5,
                match_low_quality=False,
            ),
            # Of each image: 128 of a batch of 2.
            sampler=dict(type='RandomSampler', num=64, pos_fraction=0.25),
            pos_weight=-1,
            debug=False,
        )
    ),
    test_cfg=dict(
        rcnn=dict(
            score_thr=0.05,
            nms=dict(type='nms', iou_threshold=0.3),
            max_per_img=100,
        )
    ),
)
