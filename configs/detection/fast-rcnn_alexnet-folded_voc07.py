"""Fast R-CNN with AlexNet, normalisation folded and layers rescaled.

Data: ``tools/prepare_data.py voc07``, ``tools/make_proposals.py``.
Command: ``tools/finetune_detection.sh
configs/detection/fast-rcnn_alexnet-folded_voc07.py CHECKPOINT 1``. Hardware
meant for: one GPU with 2 images. Paper: VOC07 56.6 ISL; no row says whether
its normalisation was folded. Here: not run.

fast-rcnn_alexnet_voc07.py as a network of Caffe would have it: the frozen
normalisation becomes part of the layers before it, and before the first step
all layers are rescaled to learn equally fast, which leaves fc7's outputs as
they are. Without that, finetuning networks of DeepCluster's kind diverged for
its users (issue 23 of its repository).
"""

_base_ = 'fast-rcnn_alexnet_voc07.py'

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
