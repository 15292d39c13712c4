"""A folder of images of one's own, without labels, at 224x224.

All images below ``data/images`` are taken, however deep they lie. Another
folder: ``--cfg-options
train_dataloader.dataset.dataset.data_root=path/to/images``.
"""

data_preprocessor = dict(
    type='mmpretrain.ClsDataPreprocessor',
    mean=[123.675, 116.28, 103.53],  # ImageNet, in 0..255, RGB
    std=[58.395, 57.12, 57.375],
    to_rgb=False,  # images are RGB from the loader on
)

# ImageNet's augmentation in the released code.
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
test_pipeline = [
    dict(type='mmpretrain.LoadImageFromFile'),
    dict(type='mmpretrain.NumpyToPIL', to_rgb=True),
    dict(type='mmpretrain.torchvision/Resize', size=256),
    dict(type='mmpretrain.torchvision/CenterCrop', size=224),
    dict(type='mmpretrain.PackInputs'),
]

train_dataloader = dict(
    batch_size=64,
    num_workers=4,
    persistent_workers=True,
    pin_memory=True,
    drop_last=False,
    collate_fn=dict(type='default_collate'),
    sampler=dict(type='InstanceSampler', shuffle=True),
    dataset=dict(
        type='InstanceDataset',
        dataset=dict(
            type='mmpretrain.CustomDataset',
            data_root='data/images',
            with_label=False,
            pipeline=train_pipeline,
        ),
    ),
)
# The same images under the test transforms: what extract_features.py encodes.
gallery_dataloader = dict(
    batch_size=64,
    num_workers=4,
    pin_memory=True,
    drop_last=False,
    collate_fn=dict(type='default_collate'),
    sampler=dict(type='InstanceSampler', shuffle=False),
    dataset=dict(
        type='InstanceDataset',
        dataset=dict(
            type='mmpretrain.CustomDataset',
            data_root='data/images',
            with_label=False,
            pipeline=test_pipeline,
        ),
    ),
)
