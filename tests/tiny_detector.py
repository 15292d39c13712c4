"""A detector that is whole, but tiny: four images, eight channels."""

import torch
from mmpretrain.models import ResNet
from tiny_run import ROOT
from voc_sets import write_voc

from mmisl.weights import IMAGENET, META_KEY

CONFIG = """
_base_ = {base!r}
model = dict(
    type='FasterRCNN',
    init_cfg=dict(
        type='mmisl.PretrainedParts',
        checkpoint='nowhere.pth',
        parts=dict(backbone=dict(leave_out=['layer4.'])),
    ),
    data_preprocessor=dict(
        type='DetDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
    ),
    backbone=dict(
        type='ResNet',
        depth=18,
        stem_channels=8,
        base_channels=8,
        num_stages=3,
        strides=(1, 2, 2),
        dilations=(1, 1, 1),
        out_indices=(2,),
    ),
    rpn_head=dict(
        type='RPNHead',
        in_channels=32,
        feat_channels=8,
        anchor_generator=dict(
            type='AnchorGenerator', scales=[3], ratios=[1.0], strides=[16]
        ),
        bbox_coder=dict(type='DeltaXYWHBBoxCoder'),
        loss_cls=dict(type='CrossEntropyLoss', use_sigmoid=True),
        loss_bbox=dict(type='L1Loss'),
    ),
    roi_head=dict(
        type='StandardRoIHead',
        bbox_roi_extractor=dict(
            type='SingleRoIExtractor',
            roi_layer=dict(type='RoIAlign', output_size=3),
            out_channels=32,
            featmap_strides=[16],
        ),
        bbox_head=dict(
            type='Shared2FCBBoxHead',
            in_channels=32,
            fc_out_channels=8,
            roi_feat_size=3,
            num_classes=20,
            bbox_coder=dict(type='DeltaXYWHBBoxCoder'),
            loss_cls=dict(type='CrossEntropyLoss'),
            loss_bbox=dict(type='L1Loss'),
        ),
    ),
    train_cfg=dict(
        rpn=dict(
            assigner=dict(
                type='MaxIoUAssigner',
                pos_iou_thr=0.5,
                neg_iou_thr=0.3,
                min_pos_iou=0.1,
            ),
            sampler=dict(
                type='RandomSampler',
                num=4,
                pos_fraction=0.5,
                add_gt_as_proposals=False,
            ),
            allowed_border=-1,
            pos_weight=-1,
            debug=False,
        ),
        rpn_proposal=dict(
            nms_pre=9,
            max_per_img=7,
            nms=dict(type='nms', iou_threshold=0.7),
            min_bbox_size=0,
        ),
        rcnn=dict(
            assigner=dict(
                type='MaxIoUAssigner',
                pos_iou_thr=0.5,
                neg_iou_thr=0.5,
                min_pos_iou=0.5,
            ),
            sampler=dict(type='RandomSampler', num=4, pos_fraction=0.5),
            pos_weight=-1,
            debug=False,
        ),
    ),
    test_cfg=dict(
        rpn=dict(
            nms_pre=9,
            max_per_img=7,
            nms=dict(type='nms', iou_threshold=0.7),
            min_bbox_size=0,
        ),
        rcnn=dict(
            # All that there is, so that a few are right by chance.
            score_thr=0.0,
            nms=dict(type='nms', iou_threshold=0.5),
            max_per_img=100,
        ),
    ),
)
train_cfg = dict(type='IterBasedTrainLoop', max_iters=3, val_interval=3)
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='SGD', lr=0.001)
)
train_pipeline, test_pipeline = _base_.train_pipeline, _base_.test_pipeline
train_pipeline[2]['scale'] = test_pipeline[1]['scale'] = (80, 60)


def loader(pipeline):
    return dict(
        num_workers=0,
        persistent_workers=False,
        dataset=dict(data_root={data!r}, pipeline=pipeline),
    )


train_dataloader = loader(train_pipeline)
val_dataloader = loader(test_pipeline)
test_dataloader = val_dataloader
del loader
default_hooks = dict(
    logger=dict(interval=1, log_metric_by_epoch=False),
    checkpoint=dict(interval=1),
)
visualizer = dict(vis_backends=[dict(type='LocalVisBackend')])
"""


def write_detector(folder):
    """Data and config below a folder; gives the config's path."""
    write_voc(folder)
    path = folder / 'detector.py'
    base = ROOT / 'configs' / 'detection' / '_base_' / 'voc07.py'
    text = CONFIG.format(base=str(base), data=f'{folder}/VOCdevkit/')
    path.write_text(text)
    return path


def write_start(path, *, depth=18, width=8, seed=0, **meta):
    """A checkpoint as a pretraining writes it; gives its path."""
    torch.manual_seed(seed)
    backbone = ResNet(depth, stem_channels=width, base_channels=width)
    state = {f'backbone.{k}': v for k, v in backbone.state_dict().items()}
    state['neck.projection.weight'] = torch.zeros(6, 5)
    meta = {META_KEY: IMAGENET.to_meta(), **meta}
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(dict(meta=meta, state_dict=state), path)
    return path
