"""Supervised training, tiny."""

OVERRIDES = {
    'model': dict(
        _delete_=True,
        type='Supervised',
        backbone=dict(
            type='mmpretrain.ResNet_CIFAR',
            depth=18,
            stem_channels=4,
            base_channels=4,
            norm_cfg=dict(type='GN', num_groups=2),
        ),
        neck=dict(type='mmpretrain.GlobalAveragePooling'),
        head=dict(
            type='mmpretrain.LinearClsHead',
            num_classes=3,
            in_channels=32,
            loss=dict(type='mmpretrain.CrossEntropyLoss'),
        ),
    ),
    'train_cfg': dict(
        _delete_=True,
        type='RoundBasedTrainLoop',
        max_rounds=1,
        encoder=dict(max_epochs=3, val_interval=3),
    ),
}
