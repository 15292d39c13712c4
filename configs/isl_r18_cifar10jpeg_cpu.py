"""ISL on 5,000 real photographs on a CPU: every tenth CIFAR-10 JPEG.

Data: ``mkdir -p data/cifar10_jpeg && tar xf cifar10_jpeg.tar.xz -C
data/cifar10_jpeg``, or any tree of ``train/CLASS`` and ``test/CLASS`` with as
many images of 32x32: the test images are not resized.
Command: ``python tools/train.py configs/isl_r18_cifar10jpeg_cpu.py``.
Hardware meant for: 2 CPU cores, 20 to 40 s an epoch. Paper: no such data.
Here: kNN 40.4 % (one seed, K=200, 10,000 test images, JPEGs of CIFAR-10); of
the 2,500 mined edges 31.8 % are pure, where chance is 10 % and plain nearest
neighbours of the same features are at 37.7 %. docs/visualization.md.

A quarter-width network, 60 epochs in 3 rounds of which the first has 40:
neighbours mined from poor features cost accuracy. Votes over the views of a
residual generator, as in demo.py.
"""

_base_ = 'isl_r18_cifar10jpeg.py'

model = dict(
    backbone=dict(stem_channels=16, base_channels=16),
    neck=dict(in_channels=128),
    miner=dict(
        generator='residual',
        ranking='votes',
        num_draws=410,  # the share of the bank that 4,096 are of 50,000
        max_degree=20,
        training=dict(min_iters=800, max_iters=4000),
    ),
)
train_dataloader = dict(
    num_workers=2,
    dataset=dict(dataset=dict(indices=list(range(0, 50000, 10)))),
)
gallery_dataloader = dict(
    num_workers=2,
    dataset=dict(dataset=dict(indices=list(range(0, 50000, 10)))),
)
train_cfg = dict(
    max_rounds=3,
    encoder=dict(max_epochs=10, first_epochs=40, val_interval=10),
)
param_scheduler = [
    dict(type='CosineAnnealingLR', eta_min=0, T_max=60, by_epoch=True)
]
env_cfg = dict(dist_cfg=dict(backend='gloo'))
