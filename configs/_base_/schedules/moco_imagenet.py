"""200 epochs in one round, as MoCo trains on ImageNet."""

train_cfg = dict(
    type='RoundBasedTrainLoop',
    max_rounds=1,
    # Without a bank every validation encodes the training images anew.
    encoder=dict(max_epochs=200, val_interval=20),
)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
val_evaluator = dict(type='KNNMetric', k=200, temperature=0.07)
test_evaluator = val_evaluator

optim_wrapper = dict(
    type='OptimWrapper',
    constructor='TrainableParamsConstructor',
    optimizer=dict(type='SGD', lr=0.03, momentum=0.9, weight_decay=1e-4),
)
param_scheduler = [
    dict(type='CosineAnnealingLR', eta_min=0, T_max=200, by_epoch=True)
]
auto_scale_lr = dict(base_batch_size=256)
