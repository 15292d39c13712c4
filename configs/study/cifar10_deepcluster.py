"""The study: DeepCluster.

Command: ``python tools/train.py configs/study/cifar10_deepcluster.py``; with
the others of its table: docs/results.md. Hardware meant for: one CPU core, 10
to 20 s an epoch. Paper: no such data. Here: kNN 32.3 %, linear 39.3 % (1
seed).

100 clusters of 64 components: 10 clusters a class, as on ImageNet. Deviations
from the published constants: the study's optimizer and learning rate, because
a network whose learning rate never falls is scored in mid-step; the pooled map
is clustered and classified, without dropout and without Sobel derivatives, as
in deepcluster_r18_cifar10.py.
"""

_base_ = 'cifar10_isl.py'

model = dict(
    _delete_=True,
    type='DeepCluster',
    backbone=_base_.model.backbone,
    neck=dict(type='DeepClusterNeck', in_channels=128),
    head=dict(type='DeepClusterHead', num_clusters=100, in_channels=128),
    num_components=64,
    channels_last=True,
)
train_dataloader = dict(sampler=dict(type='ClusterSampler'))
train_cfg = dict(
    _delete_=True,
    type='RoundBasedTrainLoop',
    max_rounds=61,
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
