"""MoCo v2 with ResNet-18 for 32x32 images, on one device.

Queue, temperature, momentum and split batch norm are those of
``moco_cifar10_demo.ipynb`` of MoCo's authors, which has a linear neck; the
neck of two layers is that of lightly's MoCo benchmark on CIFAR-10.
"""

model = dict(
    type='MoCo',
    backbone=dict(
        type='mmpretrain.ResNet_CIFAR',
        depth=18,
        zero_init_residual=False,
        # On one device there are no ranks to shuffle the keys between.
        norm_cfg=dict(type='mmisl.SplitBN', num_splits=8),
    ),
    neck=dict(type='MLPNeck', in_channels=512, hid_channels=512),
    head=dict(
        type='mmpretrain.ContrastiveHead',
        loss=dict(type='mmpretrain.CrossEntropyLoss'),
        temperature=0.1,
    ),
    queue=dict(type='KeyQueue', size=4096),
    momentum=0.01,
)
