"""MoCo v2 with ResNet-50 for 224x224 images."""

model = dict(
    type='MoCo',
    backbone=dict(
        type='mmpretrain.ResNet', depth=50, zero_init_residual=False
    ),
    neck=dict(type='MLPNeck', in_channels=2048, hid_channels=2048),
    head=dict(
        type='mmpretrain.ContrastiveHead',
        loss=dict(type='mmpretrain.CrossEntropyLoss'),
        temperature=0.2,
    ),
    queue=dict(type='KeyQueue', size=65536),
    momentum=0.001,
)
