"""Faster R-CNN R50-C4 on VOC2007, by MoCo's protocol, 9,000 iterations.

Data: ``tools/prepare_data.py voc07``.
Command: ``tools/finetune_detection.sh
configs/detection/faster-rcnn_r50-c4_voc07.py CHECKPOINT 8``. Hardware meant
for: 8 GPUs with 2 images each. Paper: VOC07 74.6 supervised, 65.4 NPID, 69.1
Local Aggregation, 70.0 ISL, 74.9 MoCo v1, 76.3 MoCo v2, 77.6 MoCo-v2+ISL.
Here: not run at this size; see docs/results.md for less.

MoCo's detection code (``R_50_C4`` with ``Res5ROIHeadsExtraNorm``): backbone to
conv4, conv5 as the shared head of all regions with a normalisation behind it;
all batch normalisation is trained, over the images of all GPUs; short side 480
to 800, 800 in the test; 16 images, learning rate 0.02; objects marked
difficult are trained on as others. Its learning rate falls at 18,000 and
22,000 of 24,000 iterations; no positions are published for 9,000, which is
what MoCo took for VOC2007 alone, so they are in proportion.

Deviation: statistics of the normalisation are those that training averaged,
not computed anew before the test.
"""

_base_ = [
    'mmdet::_base_/models/faster-rcnn_r50-caffe-c4.py',
    '_base_/moco_9k.py',
]

norm_cfg = dict(type='BN', requires_grad=True)
model = dict(
    init_cfg=dict(
        type='mmisl.PretrainedParts',
        checkpoint='work_dirs/isl_r50/epoch_400.pth',
        parts={
            'backbone': dict(leave_out=['layer4.']),
            'roi_head.shared_head.layer4': dict(prefix='backbone.layer4.'),
        },
    ),
    data_preprocessor=dict(
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        # A single map needs no sides that every level divides.
        pad_size_divisor=1,
    ),
    backbone=dict(
        frozen_stages=-1,
        norm_cfg=norm_cfg,
        norm_eval=False,
        style='pytorch',
        init_cfg=None,
    ),
    roi_head=dict(
        shared_head=dict(
            type='ResLayerExtraNorm',
            norm_cfg=norm_cfg,
            norm_eval=False,
            style='pytorch',
            init_cfg=None,
        ),
        bbox_head=dict(num_classes=20),
    ),
    train_cfg=dict(
        # As in detectron2 the best anchor of an object is its, however little
        # they overlap; with 0, all would be those of one that has none.
        rpn=dict(assigner=dict(min_pos_iou=0.001))
    ),
)
