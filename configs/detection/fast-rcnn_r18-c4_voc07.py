"""Fast R-CNN R18-C4 on VOC2007, for small machines.

Data: ``tools/prepare_data.py voc07``, ``tools/make_proposals.py``.
Command: ``tools/finetune_detection.sh
configs/detection/fast-rcnn_r18-c4_voc07.py CHECKPOINT 8``. Hardware meant for:
8 GPUs with 2 images each. Paper: no ResNet-18. Here: not run.

Protocol and deviations of faster-rcnn_r50-c4_voc07.py.
"""

_base_ = 'fast-rcnn_r50-c4_voc07.py'

model = dict(
    init_cfg=dict(checkpoint='work_dirs/isl_r18/epoch_400.pth'),
    backbone=dict(depth=18),
    roi_head=dict(
        shared_head=dict(depth=18),
        bbox_roi_extractor=dict(out_channels=256),
        bbox_head=dict(in_channels=512),
    ),
)
