"""Imagenette: MoCo v2 with mined positives, a proposal (``mmisl.MoCoISL``).

Command: ``python tools/train.py configs/study/nette_mocov2_isl.py``; with the
others of its table: docs/results.md. Hardware meant for: one CPU core, not
timed. Paper: no such data. Here: kNN 32.1 %, linear 52.2 % (1 seed).

Augmentation is MoCo v2's without the blur, of which there is no step for a
batch; temperature, split batch norm and momentum of the key encoder are those
of mocov2_r18_imagenette_cpu.py. Rounds and miner are those of nette_isl.py.
"""

_base_ = 'nette_isl.py'

data_preprocessor = dict(
    # Same steps, order and numbers as _base_/datasets/imagenet_mocov2.py.
    augments=[
        dict(type='BatchRandomResizedCrop', size=224, scale=(0.2, 1.0)),
        dict(
            type='BatchRandomApply',
            step=dict(
                type='BatchColorJitter',
                brightness=0.4,
                contrast=0.4,
                saturation=0.4,
                hue=0.1,
            ),
            p=0.8,
        ),
        dict(type='BatchRandomGrayscale', p=0.2),
        dict(type='BatchRandomHorizontalFlip'),
    ],
    num_views=2,
)
model = dict(
    _delete_=True,
    type='MoCoISL',
    # Split batch norm is slower in NHWC.
    backbone=dict(
        norm_cfg=dict(type='mmisl.SplitBN', num_splits=8),
        **_base_.model.backbone,
    ),
    neck=dict(type='MLPNeck', in_channels=128, hid_channels=128),
    head=dict(type='MoCoISLHead', temperature=0.1),
    queue=dict(type='KeyQueue', size=1024),
    # The key encoder averages already: a row is its latest key.
    memory=dict(type='MemoryBank', momentum=1.0),
    miner=_base_.model.miner,
    momentum=0.05,
)
