"""One round on labels by SGD, the learning rate as for 256 images a step.

Epochs, learning rate and its steps are for the config to say.
"""

train_cfg = dict(
    type='RoundBasedTrainLoop',
    max_rounds=1,
    encoder=dict(max_epochs=100, val_interval=10),
)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
val_evaluator = dict(type='ProbeAccuracy', topk=(1, 5))
test_evaluator = val_evaluator

optim_wrapper = dict(
    type='OptimWrapper',
    # Without the parameters of a frozen backbone.
    constructor='TrainableParamsConstructor',
    optimizer=dict(type='SGD', lr=0.01, momentum=0.9, weight_decay=0.0),
)
param_scheduler = []
auto_scale_lr = dict(base_batch_size=256)
