"""The study: ISL on 10,000 CIFAR-10 JPEGs, the base of all rows.

Data: ``python tools/prepare_data.py cifar10jpeg --from cifar10_jpeg.tar.xz``.
Command: ``python tools/train.py configs/study/cifar10_isl.py``; with the
others of its table: docs/results.md. Hardware meant for: one CPU core, 10 to
20 s an epoch. Paper: no such data. Here: kNN 50.2 ± 0.2 %, linear 52.3 ± 0.5 %
(3 seeds).

Every fifth training image, a quarter-width ResNet-18, 60 epochs in 3 rounds of
which the first has 40: neighbours mined from poor features cost accuracy. The
learning rate rises again with the first pairs: falling_isl.py shows why.
Residual generator and votes over the views, as in isl_r18_cifar10jpeg_cpu.py;
images and their augmentation stay in memory, bfloat16 and NHWC for speed.
"""

_base_ = '../isl_r18_cifar10jpeg.py'

indices = list(range(0, 50000, 5))

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
model = dict(
    backbone=dict(stem_channels=16, base_channels=16),
    neck=dict(in_channels=128),
    miner=dict(
        generator='residual',
        ranking='votes',
        num_draws=820,  # the share of the bank that 4,096 are of 50,000
        max_degree=20,
        training=dict(min_iters=800, max_iters=4000),
    ),
    channels_last=True,
)
train_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    pin_memory=False,
    dataset=dict(
        type='ResidentDataset',
        dataset=dict(indices=indices, pipeline=_base_.test_pipeline),
    ),
)
gallery_dataloader = dict(
    num_workers=0,
    pin_memory=False,
    dataset=dict(dataset=dict(indices=indices)),
)
val_dataloader = dict(
    num_workers=0, persistent_workers=False, pin_memory=False
)
test_dataloader = val_dataloader
train_cfg = dict(
    max_rounds=3,
    encoder=dict(max_epochs=10, first_epochs=40, val_interval=20),
)
optim_wrapper = dict(type='CPUAmpOptimWrapper')
# It falls until pairs come in, is four times as high with them, which is
# 0.033, and falls again in the last round.
param_scheduler = [
    dict(type='CosineAnnealingLR', eta_min=0, T_max=60, by_epoch=True, end=40),
    dict(
        type='MultiStepLR', milestones=[40], gamma=4.0, by_epoch=True, end=60
    ),
    dict(
        type='CosineAnnealingLR',
        eta_min=0,
        T_max=10,
        by_epoch=True,
        begin=50,
        end=60,
    ),
]
default_hooks = dict(checkpoint=dict(interval=5))
env_cfg = dict(dist_cfg=dict(backend='gloo'))
