"""CIFAR-10 as a tree of JPEGs: ``train/CLASS/*.jpg`` and ``test/CLASS/*.jpg``.

Prepare an archive of that form with ``python tools/prepare_data.py
cifar10jpeg --from cifar10_jpeg.tar.xz``. JPEG is lossy: accuracies are not
comparable with those on the original pixels.
"""

_base_ = 'cifar10.py'

data_root = 'data/cifar10_jpeg'

train_pipeline = [
    dict(type='mmpretrain.LoadImageFromFile'),
    dict(type='mmpretrain.NumpyToPIL', to_rgb=True),  # the loader gives BGR
    *_base_.train_pipeline[1:],
]
test_pipeline = [
    dict(type='mmpretrain.LoadImageFromFile'),
    dict(type='mmpretrain.NumpyToPIL', to_rgb=True),
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
    dataset=dict(
        _delete_=True,
        type='mmpretrain.CustomDataset',
        data_root=data_root,
        data_prefix='test',
        pipeline=test_pipeline,
    )
)
test_dataloader = val_dataloader
