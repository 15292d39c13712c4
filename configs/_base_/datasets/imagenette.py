"""Imagenette, 10 classes of ImageNet, at 112 pixels.

``python tools/prepare_data.py imagenette --from ARCHIVE`` makes
``data/imagenette/train/WNID`` and ``val/WNID``. Batch 64 on one machine.
"""

_base_ = 'folder.py'

data_root = 'data/imagenette'

train_pipeline = [
    dict(type='mmpretrain.LoadImageFromFile'),
    dict(type='mmpretrain.NumpyToPIL', to_rgb=True),
    dict(
        type='mmpretrain.torchvision/RandomResizedCrop',
        size=112,
        scale=(0.2, 1.0),
    ),
    *_base_.train_pipeline[3:],
]
test_pipeline = [
    dict(type='mmpretrain.LoadImageFromFile'),
    dict(type='mmpretrain.NumpyToPIL', to_rgb=True),
    dict(type='mmpretrain.torchvision/Resize', size=128),
    dict(type='mmpretrain.torchvision/CenterCrop', size=112),
    dict(type='mmpretrain.PackInputs'),
]
train_tree = dict(
    _delete_=True,
    type='mmpretrain.CustomDataset',
    data_root=data_root,
    data_prefix='train',
)
train_dataloader = dict(
    dataset=dict(dataset=dict(pipeline=train_pipeline, **train_tree))
)
gallery_dataloader = dict(
    dataset=dict(dataset=dict(pipeline=test_pipeline, **train_tree))
)
val_dataloader = dict(
    batch_size=64,
    num_workers=4,
    persistent_workers=True,
    pin_memory=True,
    drop_last=False,
    collate_fn=dict(type='default_collate'),
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='mmpretrain.CustomDataset',
        data_root=data_root,
        data_prefix='val',
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
del train_tree
