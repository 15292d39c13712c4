"""Local Aggregation, tiny: an epoch of warm start, then clusters twice."""

OVERRIDES = {
    'model': dict(
        _delete_=True,
        type='LocalAggregation',
        backbone=dict(
            type='mmpretrain.ResNet_CIFAR',
            depth=18,
            stem_channels=4,
            base_channels=4,
            norm_cfg=dict(type='GN', num_groups=2),
        ),
        neck=dict(type='ISLNeck', in_channels=32, out_channels=6),
        head=dict(
            type='LocalAggregationHead',
            temperature=0.1,
            num_background=17,
        ),
        memory=dict(type='MemoryBank', feat_dim=6),
        num_clusters=5,
        num_clusterings=3,
    ),
    'train_cfg': dict(
        _delete_=True,
        type='RoundBasedTrainLoop',
        max_rounds=3,
        encoder=dict(first_epochs=1, max_epochs=1, val_interval=3),
    ),
}
