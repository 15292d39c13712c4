"""CIFAR-10 in two views of each image, as the notebook of MoCo's authors does.

That is ``moco_cifar10_demo.ipynb``. Batch 512 on one GPU.
"""

_base_ = 'cifar10.py'

# Takes lists of views, and single images in validation.
data_preprocessor = dict(type='mmpretrain.SelfSupDataPreprocessor')

view_pipeline = [
    dict(
        type='mmpretrain.torchvision/RandomResizedCrop',
        size=32,
        scale=(0.08, 1.0),  # torchvision's, which the notebook keeps
    ),
    dict(type='mmpretrain.torchvision/RandomHorizontalFlip'),
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
]
train_pipeline = [
    dict(type='mmpretrain.NumpyToPIL', to_rgb=False),  # CIFAR is RGB
    dict(type='mmpretrain.MultiView', num_views=2, transforms=[view_pipeline]),
    dict(type='mmpretrain.PackInputs'),
]
train_dataloader = dict(
    batch_size=512, dataset=dict(dataset=dict(pipeline=train_pipeline))
)
