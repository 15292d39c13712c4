"""DeepCluster on ImageNet with AlexNet, 10,000 clusters, 200 epochs.

Command: ``tools/dist_train.sh configs/deepcluster_alexnet.py 8``. Hardware
meant for: 8 GPUs with 32 images each and 2.6 GB of features at a validation;
24 GB of host memory, of which 21 hold the features before the whitening. Rank
0 runs k-means alone, on the GPUs where faiss was built for them.
Paper: linear 41.0 on conv3 and kNN 26.8, as the paper of AND lists it.
Here: not run.

Deviations from the released code: DataParallel on one process there; the
classifier's SGD is a parameter group; the whitening is computed in float64.
"""

_base_ = [
    '_base_/models/deepcluster_alexnet.py',
    '_base_/datasets/imagenet.py',
    '_base_/schedules/clusters_imagenet.py',
    '_base_/default_runtime.py',
]

# As released: crops of 8 to 100 % and flips, no change of colour.
train_pipeline = [
    dict(type='mmpretrain.LoadImageFromFile'),
    dict(type='mmpretrain.NumpyToPIL', to_rgb=True),  # the loader gives BGR
    dict(type='mmpretrain.torchvision/RandomResizedCrop', size=224),
    dict(type='mmpretrain.torchvision/RandomHorizontalFlip'),
    dict(type='mmpretrain.PackInputs'),
]
train_dataloader = dict(
    sampler=dict(type='ClusterSampler'),
    dataset=dict(dataset=dict(pipeline=train_pipeline)),
)
# One checkpoint an epoch: the clustering after it is made again on resume.
default_hooks = dict(checkpoint=dict(after_mining=False))
# Where faiss has no GPU, rank 0 clusters for longer than NCCL waits.
env_cfg = dict(dist_cfg=dict(timeout=7200))
