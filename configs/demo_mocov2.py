"""MoCo v2 on the demo's images and network, on a CPU.

Command: ``python tools/train.py configs/demo_mocov2.py``, once ``make demo``
has made the images. Hardware meant for: 2 CPU cores.

As many epochs as ``demo.py`` has over all rounds. Two views cost twice the
time. Deviations from the published constants, all for 1,437 images and a run
of minutes: the demo's augmentation, no global pooling and AdamW, as in
``demo.py``; temperature 0.1, a queue of 256 keys (a sixth of the images;
65,536 are a twentieth of ImageNet), momentum 0.05, a hidden layer of 128.

Numbers: docs/results.md.
"""

_base_ = 'demo.py'

data_preprocessor = dict(type='mmpretrain.SelfSupDataPreprocessor')

model = dict(
    _delete_=True,
    type='MoCo',
    backbone=_base_.model.backbone,
    neck=dict(type='MLPNeck', in_channels=48, hid_channels=128, map_size=4),
    head=dict(
        type='mmpretrain.ContrastiveHead',
        loss=dict(type='mmpretrain.CrossEntropyLoss'),
        temperature=0.1,
    ),
    queue=dict(type='KeyQueue', size=256),
    momentum=0.05,
)
# demo.py's augmentation, twice.
view_pipeline = [
    dict(
        type='mmpretrain.torchvision/RandomResizedCrop',
        size=32,
        scale=(0.75, 1.0),
    ),
    dict(
        type='mmpretrain.torchvision/ColorJitter',
        brightness=0.6,
        contrast=0.6,
        saturation=0.8,
        hue=0.5,
    ),
    dict(type='mmpretrain.torchvision/RandomGrayscale', p=0.2),
]
train_pipeline = [
    dict(type='mmpretrain.LoadImageFromFile'),
    dict(type='mmpretrain.NumpyToPIL', to_rgb=True),  # the loader gives BGR
    dict(
        type='mmpretrain.MultiView',
        num_views=2,
        transforms=[view_pipeline],
    ),
    dict(type='mmpretrain.PackInputs'),
]
train_dataloader = dict(dataset=dict(dataset=dict(pipeline=train_pipeline)))
train_cfg = dict(
    _delete_=True,
    type='RoundBasedTrainLoop',
    max_rounds=1,
    encoder=dict(max_epochs=52, val_interval=5),
)
