"""SVHN: 73,257 training and 26,032 test images of 32x32, without ``extra``.

Download ``train_32x32.mat`` and ``test_32x32.mat`` of
http://ufldl.stanford.edu/housenumbers/, then ``python tools/prepare_data.py
svhn --from FOLDER``. Batch 128 on one GPU.
"""

data_root = 'data/svhn'

# CIFAR-10's statistics, in 0..255, RGB; the released code has them for
# CIFAR-10, CIFAR-100 and SVHN alike.
data_preprocessor = dict(
    type='mmpretrain.ClsDataPreprocessor',
    mean=[125.307, 122.961, 113.8575],
    std=[51.5865, 50.847, 51.255],
    to_rgb=False,  # images are RGB from the loader on
)

# Order and numbers of the released code, which has the flip commented out.
train_pipeline = [
    dict(type='mmpretrain.NumpyToPIL', to_rgb=False),  # SVHN is RGB
    dict(
        type='mmpretrain.torchvision/RandomResizedCrop',
        size=32,
        scale=(0.2, 1.0),
    ),
    dict(
        type='mmpretrain.torchvision/ColorJitter',
        brightness=0.4,
        contrast=0.4,
        saturation=0.4,
        hue=0.4,
    ),
    dict(type='mmpretrain.torchvision/RandomGrayscale', p=0.2),
    dict(type='mmpretrain.PackInputs'),
]
test_pipeline = [dict(type='mmpretrain.PackInputs')]

train_dataloader = dict(
    batch_size=128,
    num_workers=4,
    persistent_workers=True,
    pin_memory=True,
    drop_last=False,
    collate_fn=dict(type='default_collate'),
    sampler=dict(type='InstanceSampler', shuffle=True),
    dataset=dict(
        type='InstanceDataset',
        dataset=dict(
            type='SVHN',
            data_root=data_root,
            split='train',
            pipeline=train_pipeline,
        ),
    ),
)
# The training images as the test sees them: what kNN votes with at the end.
gallery_dataloader = dict(
    batch_size=256,
    num_workers=4,
    pin_memory=True,
    drop_last=False,
    collate_fn=dict(type='default_collate'),
    sampler=dict(type='InstanceSampler', shuffle=False),
    dataset=dict(
        type='InstanceDataset',
        dataset=dict(
            type='SVHN',
            data_root=data_root,
            split='train',
            pipeline=test_pipeline,
        ),
    ),
)
val_dataloader = dict(
    batch_size=256,
    num_workers=4,
    persistent_workers=True,
    pin_memory=True,
    drop_last=False,
    collate_fn=dict(type='default_collate'),
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='SVHN',
        data_root=data_root,
        split='test',
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
