"""ImageNet in two views of each image, augmented as MoCo v1 does."""

_base_ = 'imagenet.py'

# Takes lists of views, and single images in validation.
data_preprocessor = dict(type='mmpretrain.SelfSupDataPreprocessor')

# Order and numbers of MoCo's code.
view_pipeline = [
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
]
train_pipeline = [
    dict(type='mmpretrain.LoadImageFromFile'),
    dict(type='mmpretrain.NumpyToPIL', to_rgb=True),  # the loader gives BGR
    dict(type='mmpretrain.MultiView', num_views=2, transforms=[view_pipeline]),
    dict(type='mmpretrain.PackInputs'),
]
train_dataloader = dict(dataset=dict(dataset=dict(pipeline=train_pipeline)))
