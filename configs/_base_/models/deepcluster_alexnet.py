"""DeepCluster with its own AlexNet for 224x224 images."""

model = dict(
    type='DeepCluster',
    backbone=dict(
        type='AlexNetBN',
        variant='imagenet',
        channels=(96, 256, 384, 384, 256),
        sobel=True,
    ),
    neck=dict(
        type='DeepClusterNeck',
        in_channels=256,
        fc_channels=(4096, 4096),
        map_size=6,
    ),
    head=dict(type='DeepClusterHead', num_clusters=10000, in_channels=4096),
    num_components=256,
)
