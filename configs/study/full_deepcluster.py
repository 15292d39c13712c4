"""The full study: DeepCluster, 50,000 images, 200 epochs, whole width.

Command: ``python tools/train.py configs/study/full_deepcluster.py``; with the
others of its table: docs/results.md. Hardware meant for: one GPU. Paper: no
such data. Here: not run.
"""

_base_ = 'full_isl.py'

model = dict(
    _delete_=True,
    type='DeepCluster',
    backbone=_base_.model.backbone,
    neck=dict(type='DeepClusterNeck', in_channels=512),
    head=dict(type='DeepClusterHead', num_clusters=100, in_channels=512),
    num_components=256,
    channels_last=True,
)
train_dataloader = dict(sampler=dict(type='ClusterSampler'))
train_cfg = dict(
    _delete_=True,
    type='RoundBasedTrainLoop',
    max_rounds=201,
    encoder=dict(first_epochs=0, max_epochs=1, val_interval=20),
)
optim_wrapper = dict(
    # The classifier has an SGD of its own, without momentum.
    paramwise_cfg=dict(custom_keys={'head.classifier': dict(momentum=0.0)}),
)
# One checkpoint an epoch: the clustering after it is made again on resume.
default_hooks = dict(checkpoint=dict(interval=1, after_mining=False))
custom_hooks = [
    *_base_.custom_hooks[:2],
    dict(type='MiningSnapshotHook', interval=10),
    *_base_.custom_hooks[3:],
]
