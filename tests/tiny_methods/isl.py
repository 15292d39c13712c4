"""ISL, tiny: the model of tiny_run.py without statistics of a batch."""

OVERRIDES = {
    'model.backbone.norm_cfg': dict(type='GN', num_groups=2),
    'train_cfg': dict(
        _delete_=True,
        type='RoundBasedTrainLoop',
        max_rounds=3,
        encoder=dict(max_epochs=1, val_interval=3),
        mining=dict(num_views=2, quota_per_round=1.0),
    ),
}
