"""Fast R-CNN with DeepCluster's AlexNet on VOC2007.

Data: ``tools/prepare_data.py voc07``, ``tools/make_proposals.py``.
Command: ``tools/finetune_detection.sh
configs/detection/fast-rcnn_alexnet-deepcluster_voc07.py CHECKPOINT 1``.
Hardware meant for: one GPU with 2 images. Paper: VOC07 55.4 DeepCluster. Here:
not run.

fast-rcnn_alexnet_voc07.py with the network of deepcluster_alexnet.py: more
channels, Sobel derivatives of the grey image, fc6 and fc7 with bias and
without normalisation.
"""

_base_ = 'fast-rcnn_alexnet_voc07.py'

model = dict(
    init_cfg=dict(checkpoint='work_dirs/deepcluster_alexnet/epoch_200.pth'),
    backbone=dict(channels=(96, 256, 384, 384, 256), sobel=True),
    roi_head=dict(shared_head=dict(norm='none')),
)
