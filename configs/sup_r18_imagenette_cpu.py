"""Supervised half-width ResNet-18 on Imagenette at 112 pixels, on a CPU.

Data: ``python tools/prepare_data.py imagenette --from ARCHIVE``.
Command: ``python tools/train.py configs/sup_r18_imagenette_cpu.py``.
Hardware meant for: 2 CPU cores. Paper: no such data. Here: see
docs/results.md.

The optimizer of sup_r18_cifar10.py; the augmentation is ImageNet's.
"""

_base_ = [
    '_base_/datasets/imagenette.py',
    '_base_/schedules/rounds_small.py',
    '_base_/default_runtime.py',
]

model = dict(
    type='Supervised',
    backbone=dict(
        type='mmpretrain.ResNet', depth=18, stem_channels=32, base_channels=32
    ),
    neck=dict(type='PoolingNeck', in_channels=256),
    head=dict(
        type='mmpretrain.LinearClsHead',
        num_classes=10,
        in_channels=256,
        loss=dict(type='mmpretrain.CrossEntropyLoss'),
    ),
)
train_dataloader = dict(num_workers=2)
gallery_dataloader = dict(num_workers=2)
val_dataloader = dict(num_workers=2)
test_dataloader = dict(num_workers=2)
# One round is a run without mining.
train_cfg = dict(
    max_rounds=1,
    encoder=dict(max_epochs=40, val_interval=10),
    mining=dict(_delete_=True),
)
val_evaluator = [
    dict(type='KNNMetric', k=200, temperature=0.1),
    dict(type='mmpretrain.Accuracy', topk=(1,)),
]
test_evaluator = val_evaluator
optim_wrapper = dict(optimizer=dict(lr=0.05, weight_decay=1e-4))
param_scheduler = [
    dict(type='CosineAnnealingLR', eta_min=0, T_max=40, by_epoch=True)
]
auto_scale_lr = dict(base_batch_size=64)
env_cfg = dict(dist_cfg=dict(backend='gloo'))
