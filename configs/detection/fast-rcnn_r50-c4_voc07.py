"""Fast R-CNN R50-C4 on VOC2007 by MoCo's protocol, with proposals from a file.

Data: ``tools/prepare_data.py voc07``, ``tools/make_proposals.py``.
Command: ``tools/finetune_detection.sh
configs/detection/fast-rcnn_r50-c4_voc07.py CHECKPOINT 8``. Hardware meant for:
8 GPUs with 2 images each. Paper: no such column. Here: not run.

Protocol and deviations of faster-rcnn_r50-c4_voc07.py.
"""

_base_ = 'faster-rcnn_r50-c4_voc07.py'

model = dict(
    _delete_=True,
    type='FastRCNN',
    init_cfg=_base_.model.init_cfg,
    data_preprocessor=_base_.model.data_preprocessor,
    backbone=_base_.model.backbone,
    roi_head=_base_.model.roi_head,
    train_cfg=dict(rcnn=_base_.model.train_cfg.rcnn),
    test_cfg=dict(rcnn=_base_.model.test_cfg.rcnn),
)

load_proposals = dict(type='LoadProposals', num_max_proposals=2000)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    load_proposals,
    dict(type='LoadAnnotations', with_bbox=True),
    # They move with the image.
    dict(type='ProposalBroadcaster', transforms=_base_.train_pipeline[2:4]),
    dict(type='PackDetInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    load_proposals,
    dict(type='ProposalBroadcaster', transforms=_base_.test_pipeline[1:2]),
    *_base_.test_pipeline[2:],
]
proposals = 'VOC2007/proposals/selective_search_{}.pkl'
train_dataloader = dict(
    dataset=dict(
        proposal_file=proposals.format('trainval'), pipeline=train_pipeline
    )
)
val_dataloader = dict(
    dataset=dict(
        proposal_file=proposals.format('test'), pipeline=test_pipeline
    )
)
test_dataloader = val_dataloader
