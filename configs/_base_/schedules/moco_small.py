"""200 epochs in one round, as the notebook of MoCo's authors on CIFAR-10."""

train_cfg = dict(
    type='RoundBasedTrainLoop',
    max_rounds=1,
    encoder=dict(max_epochs=200, val_interval=5),
)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
val_evaluator = dict(type='KNNMetric', k=200, temperature=0.1)
test_evaluator = val_evaluator

optim_wrapper = dict(
    type='OptimWrapper',
    constructor='TrainableParamsConstructor',
    optimizer=dict(type='SGD', lr=0.06, momentum=0.9, weight_decay=5e-4),
)
param_scheduler = [
    dict(type='CosineAnnealingLR', eta_min=0, T_max=200, by_epoch=True)
]
auto_scale_lr = dict(base_batch_size=512)
