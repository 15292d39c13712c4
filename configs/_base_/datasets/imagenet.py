"""ImageNet: 1,281,167 training and 50,000 validation images at 224x224.

Expects ``data/imagenet/train/WNID/*.JPEG`` and ``data/imagenet/val``, the
latter in class folders or flat with ``data/imagenet/meta/val.txt``:
``python tools/prepare_data.py imagenet --from FOLDER``. Batch 256 in total:
32 on each of 8 GPUs.
"""

data_root = 'data/imagenet'

data_preprocessor = dict(
    type='mmpretrain.ClsDataPreprocessor',
    mean=[123.675, 116.28, 103.53],  # ImageNet, in 0..255, RGB
    std=[58.395, 57.12, 57.375],
    to_rgb=False,  # images are RGB from the loader on
)

# Order and numbers of the released code.
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
    batch_size=32,  # x 8 GPUs = 256
    num_workers=8,
    persistent_workers=True,
    pin_memory=True,
    drop_last=False,
    collate_fn=dict(type='default_collate'),
    sampler=dict(type='InstanceSampler', shuffle=True),
    dataset=dict(
        type='InstanceDataset',
        dataset=dict(
            type='mmpretrain.ImageNet',
            data_root=data_root,
            split='train',
            pipeline=train_pipeline,
        ),
    ),
)
# The training images as the test sees them: what kNN votes with at the end.
gallery_dataloader = dict(
    batch_size=64,
    num_workers=8,
    pin_memory=True,
    drop_last=False,
    collate_fn=dict(type='default_collate'),
    sampler=dict(type='InstanceSampler', shuffle=False),
    dataset=dict(
        type='InstanceDataset',
        dataset=dict(
            type='mmpretrain.ImageNet',
            data_root=data_root,
            split='train',
            pipeline=test_pipeline,
        ),
    ),
)
val_dataloader = dict(
    batch_size=64,
    num_workers=8,
    persistent_workers=True,
    pin_memory=True,
    drop_last=False,
    collate_fn=dict(type='default_collate'),
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='mmpretrain.ImageNet',
        data_root=data_root,
        split='val',
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
