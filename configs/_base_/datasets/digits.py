"""Handwritten digits over textures: 1,437 training and 360 test images.

Made by ``mmisl.datasets.make_digits_textures('data/digits_textures')``, at
32x32, from the digits that scikit-learn ships. Any other tree of class
folders serves as well.
"""

data_root = 'data/digits_textures'

data_preprocessor = dict(
    type='mmpretrain.ClsDataPreprocessor',
    mean=[95.2, 91.7, 97.5],  # of the training images, in 0..255, RGB
    std=[71.3, 68.1, 72.7],
    to_rgb=False,  # images are RGB from the loader on
)

# Deviates from the released code: most of a digit stays in the crop (a fifth
# of a 7 is a 1), and colours, which say nothing of the class, vary more. No
# flip: a mirrored digit is none.
train_pipeline = [
    dict(type='mmpretrain.LoadImageFromFile'),
    dict(type='mmpretrain.NumpyToPIL', to_rgb=True),  # the loader gives BGR
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
    dict(type='mmpretrain.PackInputs'),
]
test_pipeline = [
    dict(type='mmpretrain.LoadImageFromFile'),
    dict(type='mmpretrain.NumpyToPIL', to_rgb=True),
    dict(type='mmpretrain.PackInputs'),
]

train_dataloader = dict(
    # 45 steps an epoch: with 12 of batch 128 nothing is learnt in 40 epochs.
    batch_size=32,
    num_workers=2,
    persistent_workers=True,
    drop_last=False,
    collate_fn=dict(type='default_collate'),
    sampler=dict(type='InstanceSampler', shuffle=True),
    dataset=dict(
        type='InstanceDataset',
        dataset=dict(
            type='mmpretrain.CustomDataset',
            data_root=data_root,
            data_prefix='train',
            pipeline=train_pipeline,
        ),
    ),
)
# The training images as the test sees them: what kNN votes with at the end.
gallery_dataloader = dict(
    batch_size=256,
    num_workers=2,
    drop_last=False,
    collate_fn=dict(type='default_collate'),
    sampler=dict(type='InstanceSampler', shuffle=False),
    dataset=dict(
        type='InstanceDataset',
        dataset=dict(
            type='mmpretrain.CustomDataset',
            data_root=data_root,
            data_prefix='train',
            pipeline=test_pipeline,
        ),
    ),
)
val_dataloader = dict(
    batch_size=256,
    num_workers=2,
    persistent_workers=True,
    drop_last=False,
    collate_fn=dict(type='default_collate'),
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='mmpretrain.CustomDataset',
        data_root=data_root,
        data_prefix='test',
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
