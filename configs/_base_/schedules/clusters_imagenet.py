"""200 epochs at one learning rate, each after a clustering: DeepCluster.

Wants ``ClusterSampler``, which the config has to name: two bases cannot share
a key.
"""

train_cfg = dict(
    type='RoundBasedTrainLoop',
    max_rounds=201,
    encoder=dict(first_epochs=0, max_epochs=1, val_interval=10),
)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
val_evaluator = dict(type='KNNMetric', k=200, temperature=0.07)
test_evaluator = val_evaluator

optim_wrapper = dict(
    type='OptimWrapper',
    constructor='TrainableParamsConstructor',
    optimizer=dict(type='SGD', lr=0.05, momentum=0.9, weight_decay=1e-5),
    # The classifier has an SGD of its own, without momentum.
    paramwise_cfg=dict(custom_keys={'head.classifier': dict(momentum=0.0)}),
)
param_scheduler = []
auto_scale_lr = dict(base_batch_size=256)
