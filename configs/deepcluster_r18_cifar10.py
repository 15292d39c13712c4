"""DeepCluster on CIFAR-10 with ResNet-18 for 32x32 images, 100 clusters.

Command: ``python tools/train.py configs/deepcluster_r18_cifar10.py``.
Hardware meant for: one GPU. Paper: not on CIFAR-10; the paper of AND lists
kNN 62.3, without the settings. Here: not run.

Deviations from the paper's settings, ours where it has nothing: the pooled
map is clustered and classified, without dropout; colours as they are instead
of Sobel derivatives; 10 clusters a class, as on ImageNet; augmentation, batch
and weight decay of isl_r18_cifar10.py.
"""

_base_ = [
    '_base_/datasets/cifar10.py',
    '_base_/schedules/clusters_imagenet.py',
    '_base_/default_runtime.py',
]

model = dict(
    type='DeepCluster',
    backbone=dict(
        type='mmpretrain.ResNet_CIFAR', depth=18, zero_init_residual=False
    ),
    neck=dict(type='DeepClusterNeck', in_channels=512),
    head=dict(type='DeepClusterHead', num_clusters=100, in_channels=512),
    num_components=256,
)
train_dataloader = dict(sampler=dict(type='ClusterSampler'))
# One checkpoint an epoch: the clustering after it is made again on resume.
default_hooks = dict(checkpoint=dict(after_mining=False))
val_evaluator = dict(temperature=0.1)
test_evaluator = val_evaluator
optim_wrapper = dict(optimizer=dict(weight_decay=5e-4))
auto_scale_lr = dict(base_batch_size=128)
