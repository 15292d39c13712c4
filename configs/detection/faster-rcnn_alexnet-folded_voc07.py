"""Faster R-CNN with AlexNet, normalisation folded and layers rescaled.

Data: ``tools/prepare_data.py voc07``.
Command: ``tools/finetune_detection.sh
configs/detection/faster-rcnn_alexnet-folded_voc07.py CHECKPOINT 1``. Hardware
meant for: one GPU with 2 images. Paper: VOC07 54.2 ISL; no row says whether
its normalisation was folded. Here: not run.

What fast-rcnn_alexnet-folded_voc07.py is to its own base.
"""

_base_ = 'faster-rcnn_alexnet_voc07.py'

model = dict(
    init_cfg=dict(
        parts={
            'backbone': dict(fold_norm=True),
            'roi_head.shared_head.fc6': dict(fold_norm=True),
            'roi_head.shared_head.fc7': dict(fold_norm=True),
        }
    ),
    backbone=dict(norm='none'),
    roi_head=dict(shared_head=dict(norm='none')),
)
custom_hooks = [*_base_.custom_hooks, dict(type='mmisl.RescalingHook')]
