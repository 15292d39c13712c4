"""VOC2007 with proposals from a file, for Fast R-CNN.

``tools/make_proposals.py`` makes the files. At most 2,000 of each image are
used, the best first; Fast R-CNN takes all, some 2,000 in the mean.
"""

_base_ = 'voc07.py'

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
train_dataloader = dict(
    dataset=dict(
        proposal_file='VOC2007/proposals/selective_search_trainval.pkl',
        pipeline=train_pipeline,
    )
)
val_dataloader = dict(
    dataset=dict(
        proposal_file='VOC2007/proposals/selective_search_test.pkl',
        pipeline=test_pipeline,
    )
)
test_dataloader = val_dataloader
