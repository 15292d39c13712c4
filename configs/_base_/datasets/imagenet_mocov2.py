"""ImageNet in two views of each image, augmented as MoCo v2 does."""

_base_ = 'imagenet.py'

# Takes lists of views, and single images in validation.
data_preprocessor = dict(type='mmpretrain.SelfSupDataPreprocessor')

# Numbers of MoCo's code with --aug-plus. There the blur comes before the flip,
# which is the same to both; here it is last because it takes arrays.
view_pipeline = [
    dict(
        type='mmpretrain.torchvision/RandomResizedCrop',
        size=224,
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
    dict(type='mmpretrain.PILToNumpy'),
    dict(
        type='mmpretrain.GaussianBlur',
        magnitude_range=(0.1, 2.0),
        magnitude_std='inf',  # uniform in the range
        prob=0.5,
    ),
]
train_pipeline = [
    dict(type='mmpretrain.LoadImageFromFile'),
    dict(type='mmpretrain.NumpyToPIL', to_rgb=True),  # the loader gives BGR
    dict(type='mmpretrain.MultiView', num_views=2, transforms=[view_pipeline]),
    dict(type='mmpretrain.PackInputs'),
]
train_dataloader = dict(dataset=dict(dataset=dict(pipeline=train_pipeline)))
