"""Faster R-CNN with a feature pyramid on VOC2007: the detector of today.

Data: ``tools/prepare_data.py voc07``.
Command: ``tools/finetune_detection.sh
configs/detection/faster-rcnn_r50-fpn_voc07.py CHECKPOINT 8``. Hardware meant
for: 8 GPUs with 2 images each. Paper: no row says this detector. Here: not
run.

Schedule, sizes and trained, synchronised batch normalisation of
faster-rcnn_r50-c4_voc07.py; pyramid and box head have normalisation of their
own, as they do in MoCo's FPN configs.
"""

_base_ = [
    'mmdet::_base_/models/faster-rcnn_r50_fpn.py',
    '_base_/moco_9k.py',
]

norm_cfg = dict(type='BN', requires_grad=True)
model = dict(
    init_cfg=dict(
        type='mmisl.PretrainedParts',
        checkpoint='work_dirs/isl_r50/epoch_400.pth',
        parts=dict(backbone=dict()),
    ),
    backbone=dict(
        frozen_stages=-1, norm_cfg=norm_cfg, norm_eval=False, init_cfg=None
    ),
    neck=dict(norm_cfg=norm_cfg),
    roi_head=dict(
        bbox_head=dict(
            type='Shared4Conv1FCBBoxHead',
            conv_out_channels=256,
            norm_cfg=norm_cfg,
            num_classes=20,
        )
    ),
)
