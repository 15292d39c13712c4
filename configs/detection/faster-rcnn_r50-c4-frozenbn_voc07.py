"""Faster R-CNN R50-C4 on VOC2007 with frozen batch normalisation.

Data: ``tools/prepare_data.py voc07``.
Command: ``tools/finetune_detection.sh
configs/detection/faster-rcnn_r50-c4-frozenbn_voc07.py CHECKPOINT 2``. Hardware
meant for: 2 GPUs with 1 image each. Paper: no row says this protocol. Here:
not run.

The benchmark of Goyal et al. (ICCV 2019) in mmdet's parts: statistics and
weights of all normalisation as pretrained, conv1 and conv2 frozen, no
normalisation behind conv5; 50,000 iterations at a learning rate of 0.002, a
tenth from 38,000 on. Their ``frozen`` task trains nothing before conv5 either:
``--cfg-options model.backbone.frozen_stages=3``.

Deviation: sizes of images, warm-up and the numbers of the region proposal
network are those of faster-rcnn_r50-c4_voc07.py. The files that the authors
published leave the images of a GPU and the warm-up to Detectron's defaults.
"""

_base_ = 'faster-rcnn_r50-c4_voc07.py'

norm_cfg = dict(type='BN', requires_grad=False)
sync_bn = None
model = dict(
    backbone=dict(frozen_stages=1, norm_cfg=norm_cfg, norm_eval=True),
    roi_head=dict(
        shared_head=dict(type='ResLayer', norm_cfg=norm_cfg, norm_eval=True)
    ),
)
train_dataloader = dict(
    batch_size=1,
    # As Detectron, which passes over what its JSON files mark `ignore`.
    dataset=dict(train_on_difficult=False),
)
train_cfg = dict(max_iters=50000, val_interval=10000)
optim_wrapper = dict(optimizer=dict(lr=0.002))
param_scheduler = [
    dict(
        type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=100
    ),
    dict(type='MultiStepLR', by_epoch=False, milestones=[38000], gamma=0.1),
]
auto_scale_lr = dict(base_batch_size=2)
