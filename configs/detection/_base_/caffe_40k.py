"""Fast R-CNN's schedule in Caffe: 40,000 iterations of 2 images.

Source: ``models/CaffeNet/solver.prototxt`` and ``config.py`` of Girshick's
code.
"""

train_cfg = dict(
    type='IterBasedTrainLoop', max_iters=40000, val_interval=10000
)
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.001, momentum=0.9, weight_decay=5e-4),
    paramwise_cfg=dict(bias_lr_mult=2.0, bias_decay_mult=0.0),
)
param_scheduler = [
    dict(type='MultiStepLR', by_epoch=False, milestones=[30000], gamma=0.1)
]
auto_scale_lr = dict(base_batch_size=2)
