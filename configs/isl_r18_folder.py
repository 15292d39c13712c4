"""ISL with ResNet-18 on a folder of images of one's own, without labels.

Command: ``python tools/train.py configs/isl_r18_folder.py --cfg-options
train_dataloader.dataset.dataset.data_root=path/to/images``.
Hardware meant for: one GPU. Numbers: none, as there are no labels.

2 rounds; neighbours are voted for by 8 views around a residual generator and
capped at 20, which guards against the hubs the released recipe can mine.
"""

_base_ = [
    '_base_/models/isl_r50_imagenet.py',
    '_base_/datasets/folder.py',
    '_base_/schedules/rounds_imagenet.py',
    '_base_/default_runtime.py',
]

model = dict(
    backbone=dict(depth=18),
    neck=dict(in_channels=512),
    miner=dict(generator='residual', ranking='votes', max_degree=20),
)
train_cfg = dict(max_rounds=2, encoder=dict(max_epochs=100))
param_scheduler = [
    dict(type='CosineAnnealingLR', eta_min=0, T_max=200, by_epoch=True)
]
# 0.03 at 256 images, scaled to the 64 of one GPU.
optim_wrapper = dict(optimizer=dict(lr=0.0075))
auto_scale_lr = dict(base_batch_size=64)
# No labels: nothing to validate.
custom_hooks = [
    dict(type='MemoryBankHook'),
    dict(type='MiningSnapshotHook'),
    dict(type='NeighborPictureHook', num_anchors=8),
    dict(type='RunRecordHook'),
    dict(type='StageTimesHook'),
    dict(type='ProgressHook'),
]
val_cfg = None
val_evaluator = None
test_cfg = None
test_evaluator = None
