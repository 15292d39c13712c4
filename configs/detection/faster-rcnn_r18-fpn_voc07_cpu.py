"""Faster R-CNN on the half-width ResNet-18 of Imagenette, on a CPU.

Data: ``tools/prepare_data.py voc07``, a subset will do.
Command: ``tools/finetune_detection.sh
configs/detection/faster-rcnn_r18-fpn_voc07_cpu.py CHECKPOINT 1``, with a
checkpoint of one of ``configs/*_r18_imagenette_cpu.py``. Hardware meant for: 2
CPU cores. Paper: no such data. Here: docs/results.md.

Short side 192; a pyramid of 64 channels, two layers of 256 for the regions,
128 of them an image; all normalisation is trained, so that random weights can
be compared; AdamW and a cosine, 1,000 iterations of 4 images.
"""

_base_ = [
    'mmdet::_base_/models/faster-rcnn_r50_fpn.py',
    '_base_/voc07.py',
]

model = dict(
    init_cfg=dict(
        type='mmisl.PretrainedParts',
        checkpoint='work_dirs/isl_r18_imagenette_cpu/epoch_40.pth',
        parts=dict(backbone=dict()),
    ),
    backbone=dict(
        depth=18,
        stem_channels=32,
        base_channels=32,
        frozen_stages=-1,
        norm_eval=False,
        init_cfg=None,
    ),
    neck=dict(in_channels=[32, 64, 128, 256], out_channels=64),
    rpn_head=dict(
        in_channels=64,
        feat_channels=64,
        # 16 to 256 pixels.
        anchor_generator=dict(scales=[4]),
    ),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=64, finest_scale=28),
        bbox_head=dict(in_channels=64, fc_out_channels=256, num_classes=20),
    ),
    train_cfg=dict(
        rpn_proposal=dict(nms_pre=1000, max_per_img=500),
        rcnn=dict(sampler=dict(num=128)),
    ),
    test_cfg=dict(rpn=dict(nms_pre=500, max_per_img=300)),
)

train_pipeline = _base_.train_pipeline
train_pipeline[2]['scale'] = (320, 192)
test_pipeline = _base_.test_pipeline
test_pipeline[1]['scale'] = (320, 192)
train_dataloader = dict(
    batch_size=4, num_workers=1, dataset=dict(pipeline=train_pipeline)
)
val_dataloader = dict(num_workers=1, dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

train_cfg = dict(type='IterBasedTrainLoop', max_iters=1000, val_interval=1000)
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.05),
    clip_grad=dict(max_norm=10),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=100),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=100, T_max=900),
]
env_cfg = dict(dist_cfg=dict(backend='gloo'))
