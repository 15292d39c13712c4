"""MoCo v2, v1 and MoCo with mined positives, tiny."""

_VIEW = [
    dict(type='mmpretrain.torchvision/RandomResizedCrop', size=16),
    dict(type='mmpretrain.torchvision/ColorJitter', brightness=0.4, hue=0.4),
]
_PIPELINE = [
    dict(type='mmpretrain.LoadImageFromFile'),
    dict(type='mmpretrain.NumpyToPIL', to_rgb=True),
    dict(type='mmpretrain.MultiView', num_views=2, transforms=[_VIEW]),
    dict(type='mmpretrain.PackInputs'),
]
_MODEL = dict(
    _delete_=True,
    type='MoCo',
    backbone=dict(
        type='mmpretrain.ResNet_CIFAR',
        depth=18,
        stem_channels=4,
        base_channels=4,
        norm_cfg=dict(type='GN', num_groups=2),
    ),
    neck=dict(type='MLPNeck', in_channels=32, hid_channels=12, out_channels=6),
    head=dict(
        type='mmpretrain.ContrastiveHead',
        loss=dict(type='mmpretrain.CrossEntropyLoss'),
        temperature=0.2,
    ),
    # 41 images an epoch: the ring is written round its end.
    queue=dict(type='KeyQueue', size=19, feat_dim=6),
    momentum=0.05,
)
_DATA = {
    'data_preprocessor.type': 'mmpretrain.SelfSupDataPreprocessor',
    'train_dataloader.dataset.dataset.pipeline': _PIPELINE,
    # All vote: who is fifth may hang on a difference of 1e-6.
    'val_evaluator.k': 200,
}
OVERRIDES = {
    **_DATA,
    'model': _MODEL,
    'train_cfg': dict(
        _delete_=True,
        type='RoundBasedTrainLoop',
        max_rounds=1,
        encoder=dict(max_epochs=3, val_interval=2),
    ),
    'param_scheduler': [dict(type='CosineAnnealingLR', T_max=3)],
}
