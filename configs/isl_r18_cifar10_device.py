"""isl_r18_cifar10.py with the images and their augmentation on the GPU.

Command: ``python tools/train.py configs/isl_r18_cifar10_device.py``.
Hardware meant for: one GPU; the images take 153.6 MB of it, on every rank.
Paper: number not at hand. Here: not run, neither on a GPU.

Nothing is decoded, augmented or sent while training: the loader only says
which images come next. The same distribution of augmented images as in
isl_r18_cifar10.py, from other random numbers. To augment on the GPU what does
not fit there, take ``InstanceDataset`` with workers and pinned memory.
"""

_base_ = 'isl_r18_cifar10.py'

data_preprocessor = dict(
    _delete_=True,
    type='AugmentingPreprocessor',
    # Same steps, order and numbers as _base_/datasets/cifar10.py.
    augments=[
        dict(type='BatchRandomResizedCrop', size=32, scale=(0.2, 1.0)),
        dict(
            type='BatchColorJitter',
            brightness=0.4,
            contrast=0.4,
            saturation=0.4,
            hue=0.4,
        ),
        dict(type='BatchRandomGrayscale', p=0.2),
    ],
    mean=[125.307, 122.961, 113.8575],
    std=[51.5865, 50.847, 51.255],
)
train_dataloader = dict(
    num_workers=0,  # workers could only send images back and forth
    persistent_workers=False,
    pin_memory=False,  # of host memory, where there is nothing
    dataset=dict(
        type='ResidentDataset',
        dataset=dict(pipeline=[dict(type='mmpretrain.PackInputs')]),
    ),
)
