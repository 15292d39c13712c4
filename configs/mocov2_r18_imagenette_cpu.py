"""MoCo v2 with a half-width ResNet-18 on Imagenette at 112 pixels, on a CPU.

Data: ``python tools/prepare_data.py imagenette --from ARCHIVE``.
Command: ``python tools/train.py configs/mocov2_r18_imagenette_cpu.py``.
Hardware meant for: 2 CPU cores. Paper: no such data. Here: a start of the
detectors in docs/results.md.

Network, data and epochs are those of sup_r18_imagenette_cpu.py; temperature,
split batch norm and neck those of mocov2_r18_cifar10.py; augmentation without
the blur, at half the size. A queue of 1,024 keys for 3,600 images, momentum
0.05 for 2,280 steps.
"""

_base_ = 'sup_r18_imagenette_cpu.py'

data_preprocessor = dict(type='mmpretrain.SelfSupDataPreprocessor')

model = dict(
    _delete_=True,
    type='MoCo',
    backbone=dict(
        norm_cfg=dict(type='mmisl.SplitBN', num_splits=8),
        **_base_.model.backbone,
    ),
    neck=dict(type='MLPNeck', in_channels=256, hid_channels=256),
    head=dict(
        type='mmpretrain.ContrastiveHead',
        loss=dict(type='mmpretrain.CrossEntropyLoss'),
        temperature=0.1,
    ),
    queue=dict(type='KeyQueue', size=1024),
    momentum=0.05,
)
view_pipeline = [
    dict(
        type='mmpretrain.torchvision/RandomResizedCrop',
        size=112,
        scale=(0.2, 1.0),
    ),
    dict(
        type='RandomApply',
        transforms=[
            dict(
                type='mmpretrain.torchvision/ColorJitter',
                brightness=0.4,
                contrast=0.4,
                saturation=0.4,
                hue=0.1,
            )
        ],
        prob=0.8,
    ),
    dict(type='mmpretrain.torchvision/RandomGrayscale', p=0.2),
    dict(type='mmpretrain.torchvision/RandomHorizontalFlip'),
]
train_pipeline = [
    dict(type='mmpretrain.LoadImageFromFile'),
    dict(type='mmpretrain.NumpyToPIL', to_rgb=True),  # the loader gives BGR
    dict(type='mmpretrain.MultiView', num_views=2, transforms=[view_pipeline]),
    dict(type='mmpretrain.PackInputs'),
]
train_dataloader = dict(dataset=dict(dataset=dict(pipeline=train_pipeline)))
val_evaluator = dict(_delete_=True, type='KNNMetric', k=200, temperature=0.1)
test_evaluator = val_evaluator
optim_wrapper = dict(optimizer=dict(lr=0.03, weight_decay=5e-4))
