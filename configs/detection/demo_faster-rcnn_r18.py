"""Faster R-CNN on scenes of digits, on a CPU, for ``make demo-detection``.

Command: ``make demo-detection``; or for this run alone, from ISL, once that
has made the scenes and pretrained:
``python tools/train.py configs/detection/demo_faster-rcnn_r18.py``. Another
start is ``--cfg-options model.init_cfg.checkpoint=PATH``; random weights are
``model.init_cfg=None``. Hardware meant for: 2 CPU cores.

The narrow ResNet of demo.py with a pyramid of three levels on it. Anchors of
12 to 48 pixels, 64 RoIs of an image, narrow layers and AdamW, for a run of
minutes. Normalisation is trained, as nothing is frozen: random weights could
not be finetuned otherwise. No flip: a mirrored digit is none.
"""

_base_ = [
    'mmdet::_base_/models/faster-rcnn_r50_fpn.py',
    '_base_/voc07.py',
]

model = dict(
    init_cfg=dict(
        type='mmisl.PretrainedParts',
        checkpoint='work_dirs/demo_detection/pretrain/isl/epoch_52.pth',
        parts=dict(backbone=dict()),
    ),
    data_preprocessor=dict(
        # As in pretraining: RGB.
        mean=[95.2, 91.7, 97.5],
        std=[71.3, 68.1, 72.7],
        bgr_to_rgb=True,
    ),
    backbone=dict(
        _delete_=True,
        type='mmpretrain.ResNet_CIFAR',
        depth=18,
        zero_init_residual=False,
        num_stages=3,
        strides=(2, 2, 2),
        dilations=(1, 1, 1),
        out_indices=(1, 2),
        frozen_stages=-1,
        stem_channels=12,
        base_channels=12,
    ),
    neck=dict(in_channels=[24, 48], out_channels=48, num_outs=3),
    rpn_head=dict(
        in_channels=48,
        feat_channels=48,
        anchor_generator=dict(
            # No digit is wider than high.
            scales=[3],
            ratios=[1.0, 2.0],
            strides=[4, 8, 16],
        ),
    ),
    roi_head=dict(
        bbox_roi_extractor=dict(
            out_channels=48, featmap_strides=[4, 8], finest_scale=24
        ),
        bbox_head=dict(in_channels=48, fc_out_channels=128, num_classes=10),
    ),
    train_cfg=dict(
        rpn=dict(sampler=dict(num=64)),
        rpn_proposal=dict(nms_pre=200, max_per_img=100),
        rcnn=dict(sampler=dict(num=64)),
    ),
    test_cfg=dict(rpn=dict(nms_pre=200, max_per_img=100)),
)

data_root = 'data/digit_scenes/VOCdevkit/'
metainfo = dict(
    classes=(
        'zero', 'one', 'two', 'three', 'four',
        'five', 'six', 'seven', 'eight', 'nine',
    ),
    palette=[
        (31, 119, 180), (255, 127, 14), (44, 160, 44), (214, 39, 40),
        (148, 103, 189), (140, 86, 75), (227, 119, 194), (127, 127, 127),
        (188, 189, 34), (23, 190, 207),
    ],
)  # fmt: skip
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='Resize', scale=(128, 128), keep_ratio=True),
    dict(type='PackDetInputs'),
]
test_pipeline = _base_.test_pipeline
test_pipeline[1]['scale'] = (128, 128)
train_dataloader = dict(
    batch_size=4,
    num_workers=1,
    dataset=dict(
        data_root=data_root, metainfo=metainfo, pipeline=train_pipeline
    ),
)
val_dataloader = dict(
    batch_size=4,
    num_workers=1,
    dataset=dict(
        data_root=data_root, metainfo=metainfo, pipeline=test_pipeline
    ),
)
test_dataloader = val_dataloader

train_cfg = dict(type='IterBasedTrainLoop', max_iters=1600, val_interval=400)
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=2e-3, weight_decay=0.01),
    clip_grad=dict(max_norm=10),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=100),
    dict(type='CosineAnnealingLR', eta_min=0, T_max=1600, by_epoch=False),
]
default_hooks = dict(checkpoint=dict(interval=100))
env_cfg = dict(dist_cfg=dict(backend='gloo'))
