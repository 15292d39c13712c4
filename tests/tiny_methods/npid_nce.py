"""Instance discrimination with sampled negatives, tiny."""

OVERRIDES = {
    'model': dict(
        _delete_=True,
        type='NPID',
        backbone=dict(
            type='mmpretrain.ResNet_CIFAR',
            depth=18,
            stem_channels=4,
            base_channels=4,
            norm_cfg=dict(type='GN', num_groups=2),
        ),
        neck=dict(type='ISLNeck', in_channels=32, out_channels=6),
        head=dict(type='NCEHead', temperature=0.1, num_negatives=5),
        memory=dict(type='MemoryBank', feat_dim=6),
    ),
    'train_cfg': dict(
        _delete_=True,
        type='RoundBasedTrainLoop',
        max_rounds=1,
        encoder=dict(max_epochs=3, val_interval=3),
    ),
}
