"""DeepCluster, tiny: three epochs, each after a clustering."""

OVERRIDES = {
    'model': dict(
        _delete_=True,
        type='DeepCluster',
        backbone=dict(
            type='mmpretrain.ResNet_CIFAR',
            depth=18,
            stem_channels=4,
            base_channels=4,
            norm_cfg=dict(type='GN', num_groups=2),
        ),
        # Without dropout, which draws per rank.
        neck=dict(
            type='DeepClusterNeck',
            in_channels=32,
            fc_channels=(11, 9),
            dropout=0.0,
        ),
        head=dict(type='DeepClusterHead', num_clusters=5, in_channels=9),
        num_components=4,
    ),
    'train_dataloader.sampler.type': 'ClusterSampler',
    'train_cfg': dict(
        _delete_=True,
        type='RoundBasedTrainLoop',
        max_rounds=4,
        encoder=dict(first_epochs=0, max_epochs=1, val_interval=3),
    ),
    'optim_wrapper.paramwise_cfg': dict(
        custom_keys={'head.classifier': dict(momentum=0.0)}
    ),
    'default_hooks.checkpoint.after_mining': False,
}
