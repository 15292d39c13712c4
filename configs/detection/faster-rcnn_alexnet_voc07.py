"""Faster R-CNN with AlexNet on VOC2007, by py-faster-rcnn's numbers.

Data: ``tools/prepare_data.py voc07``.
Command: ``tools/finetune_detection.sh
configs/detection/faster-rcnn_alexnet_voc07.py CHECKPOINT 1``. Hardware meant
for: one GPU with 2 images. Paper: VOC07 54.3 supervised, 53.1 NPID, 53.5 Local
Aggregation, 54.2 ISL. Here: not run.

Network, schedule and deviations of fast-rcnn_alexnet_voc07.py; the region
proposal network has py-faster-rcnn's anchors (128, 256 and 512 pixels in three
ratios), 256 of them an image, and gives 2,000 regions in training, 300 in the
test; 128 of an image are trained on.

Deviations besides: trained end to end, with the 40,000 iterations of 2 images
of Fast R-CNN, where py-faster-rcnn has 70,000 of one; regions narrower than 16
pixels are dropped by the size of the resized image, not of the file.
"""

_base_ = [
    '_base_/fast-rcnn_alexnet.py',
    '_base_/voc07.py',
    '_base_/caffe_40k.py',
]

model = dict(
    type='FasterRCNN',
    rpn_head=dict(
        type='RPNHead',
        in_channels=256,
        feat_channels=256,
        anchor_generator=dict(
            type='AnchorGenerator',
            scales=[8, 16, 32],
            ratios=[0.5, 1.0, 2.0],
            strides=[16],
            # On the cells of conv5, the first of which looks at pixel 15.
            center_offset=15 / 16,
        ),
        loss_bbox=dict(type='SmoothL1Loss', beta=1 / 9),
    ),
    train_cfg=dict(
        rpn=dict(
            assigner=dict(
                type='MaxIoUAssigner',
                pos_iou_thr=0.7,
                neg_iou_thr=0.3,
                # The best anchor of an object is its, however little they
                # overlap; with 0, all would be those of one that has none.
                min_pos_iou=0.001,
            ),
            sampler=dict(
                type='RandomSampler',
                num=256,
                pos_fraction=0.5,
                add_gt_as_proposals=False,
            ),
            allowed_border=0,
            pos_weight=-1,
            debug=False,
        ),
        rpn_proposal=dict(
            nms_pre=12000,
            max_per_img=2000,
            nms=dict(type='nms', iou_threshold=0.7),
            min_bbox_size=16,
        ),
        # As in training end to end: the background may overlap nothing, and
        # 128 regions are those of one image.
        rcnn=dict(assigner=dict(neg_iou_thr=0.5), sampler=dict(num=128)),
    ),
    test_cfg=dict(
        rpn=dict(
            nms_pre=6000,
            max_per_img=300,
            nms=dict(type='nms', iou_threshold=0.7),
            min_bbox_size=16,
        )
    ),
)
