"""DeepCluster on ImageNet with ResNet-50.

Command: ``tools/dist_train.sh configs/deepcluster_r50.py 8``. Hardware meant
for: 8 GPUs with 32 images each, 11 GB of host memory for the features.
Paper: has no ResNet. Here: not run.

Deviations from deepcluster_alexnet.py, ours where the paper has nothing: the
pooled map is clustered and classified, without dropout; colours as they are
instead of Sobel derivatives; the ISL code's augmentation, so that a
comparison with isl_r50.py is one of methods.
"""

_base_ = 'deepcluster_alexnet.py'

# Of _base_/datasets/imagenet.py.
train_pipeline = [
    dict(type='mmpretrain.LoadImageFromFile'),
    dict(type='mmpretrain.NumpyToPIL', to_rgb=True),  # the loader gives BGR
    dict(
        type='mmpretrain.torchvision/RandomResizedCrop',
        size=224,
        scale=(0.2, 1.0),
    ),
    dict(type='mmpretrain.torchvision/RandomGrayscale', p=0.2),
    dict(
        type='mmpretrain.torchvision/ColorJitter',
        brightness=0.4,
        contrast=0.4,
        saturation=0.4,
        hue=0.4,
    ),
    dict(type='mmpretrain.torchvision/RandomHorizontalFlip'),
    dict(type='mmpretrain.PackInputs'),
]
model = dict(
    backbone=dict(
        _delete_=True,
        type='mmpretrain.ResNet',
        depth=50,
        zero_init_residual=False,
    ),
    neck=dict(_delete_=True, type='DeepClusterNeck', in_channels=2048),
    head=dict(in_channels=2048),
)
train_dataloader = dict(dataset=dict(dataset=dict(pipeline=train_pipeline)))
