"""Imagenette: ISL on 3,600 images at 224 pixels, the base of these rows.

Data: ``python tools/prepare_data.py imagenette --from imagenette224_subset.zip
--subset``. Command: ``python tools/train.py configs/study/nette_isl.py``; with
the others of its table: docs/results.md. Hardware meant for: one CPU core,
about a minute an epoch. Paper: no such data. Here: kNN 46.8 %, linear 55.5 %
(1 seed).

ResNet-18 as on ImageNet, a quarter as wide; 40 epochs in 3 rounds of which the
first has 24, with a learning rate that rises with the first pairs as in
cifar10_isl.py. Images stay in memory and are augmented there, as those of
ImageNet are. Four views for mining, for time.
"""

_base_ = [
    '../_base_/datasets/imagenette.py',
    '../_base_/schedules/rounds_small.py',
    '../_base_/default_runtime.py',
]

data_preprocessor = dict(
    _delete_=True,
    type='AugmentingPreprocessor',
    # Same steps, order and numbers as _base_/datasets/imagenet.py.
    augments=[
        dict(type='BatchRandomResizedCrop', size=224, scale=(0.2, 1.0)),
        dict(type='BatchRandomGrayscale', p=0.2),
        dict(
            type='BatchColorJitter',
            brightness=0.4,
            contrast=0.4,
            saturation=0.4,
            hue=0.4,
        ),
        dict(type='BatchRandomHorizontalFlip'),
    ],
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
)
model = dict(
    type='ISL',
    backbone=dict(
        type='mmpretrain.ResNet', depth=18, stem_channels=16, base_channels=16
    ),
    neck=dict(type='ISLNeck', in_channels=128),
    head=dict(type='ISLHead', temperature=0.1),
    memory=dict(type='MemoryBank', momentum=0.5),
    miner=dict(
        type='GANMiner',
        score_thr=0.5,
        sim_thr=0.6,
        topk=10,
        generator='residual',
        ranking='votes',
        num_draws=295,  # the share of the bank that 4,096 are of 50,000
        max_degree=20,
        training=dict(min_iters=800, max_iters=4000),
    ),
    channels_last=True,
)
# The subset's images have this size already.
test_pipeline = [
    dict(type='mmpretrain.LoadImageFromFile'),
    dict(type='mmpretrain.NumpyToPIL', to_rgb=True),
    dict(type='mmpretrain.torchvision/Resize', size=224),
    dict(type='mmpretrain.torchvision/CenterCrop', size=224),
    dict(type='mmpretrain.PackInputs'),
]
train_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    pin_memory=False,
    dataset=dict(type='ResidentDataset', dataset=dict(pipeline=test_pipeline)),
)
gallery_dataloader = dict(
    num_workers=0,
    pin_memory=False,
    dataset=dict(dataset=dict(pipeline=test_pipeline)),
)
val_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    pin_memory=False,
    dataset=dict(pipeline=test_pipeline),
)
test_dataloader = val_dataloader
train_cfg = dict(
    max_rounds=3,
    encoder=dict(max_epochs=8, first_epochs=24, val_interval=8),
    mining=dict(num_views=4, quota_per_round=0.5),
)
optim_wrapper = dict(type='CPUAmpOptimWrapper')
# Three times as high when the first pairs come in, which is 0.034.
param_scheduler = [
    dict(type='CosineAnnealingLR', eta_min=0, T_max=40, by_epoch=True, end=24),
    dict(
        type='MultiStepLR', milestones=[24], gamma=3.0, by_epoch=True, end=40
    ),
    dict(
        type='CosineAnnealingLR',
        eta_min=0,
        T_max=8,
        by_epoch=True,
        begin=32,
        end=40,
    ),
]
default_hooks = dict(checkpoint=dict(interval=4))
env_cfg = dict(dist_cfg=dict(backend='gloo'))
