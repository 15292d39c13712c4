"""ResNet-50 finetuned on 1 % of ImageNet's labels, 60 epochs.

Command: ``tools/dist_train.sh configs/finetune_r50_imagenet1.py 8
--cfg-options model.checkpoint=PATH``, PATH being a checkpoint of a pretraining
run with ``mmpretrain.ResNet(depth=50)``; ``model.checkpoint=None`` is the
baseline from random weights. Hardware meant for: 8 GPUs with 32 images each.
Paper: none of ISL's at hand. Here: not run.

The protocol of SimCLR (arXiv 2002.05709 and 2006.10029): the whole network is
trained, its classifier from new weights, with Nesterov momentum, learning rate
0.05 x batch / 256 on a cosine without warm-up, no weight decay, random crops
and flips, 60 epochs. Deviations: batch 256 instead of 4,096, which 8 GPUs do
not hold; 12,812 images, drawn evenly over the classes by seed 0, instead of
the published list of 12,811. With the list at hand:
``train_dataloader.dataset.dataset.share=None
train_dataloader.dataset.dataset.names=1percent.txt``.
"""

_base_ = [
    '_base_/datasets/imagenet_labels.py',
    '_base_/schedules/labels.py',
    '_base_/default_runtime.py',
]

model = dict(
    type='Supervised',
    backbone=dict(type='mmpretrain.ResNet', depth=50),
    neck=dict(type='PoolingNeck', in_channels=2048),
    head=dict(
        type='mmpretrain.LinearClsHead',
        num_classes=1000,
        in_channels=2048,
        loss=dict(type='mmpretrain.CrossEntropyLoss'),
    ),
    checkpoint='work_dirs/mocov2_r50/epoch_200.pth',
)
train_dataloader = dict(
    dataset=dict(
        dataset=dict(
            _delete_=True,
            type='LabelShare',
            share=0.01,
            seed=0,
            dataset=_base_.train_dataloader.dataset.dataset,
        )
    )
)
train_cfg = dict(encoder=dict(max_epochs=60))
val_evaluator = dict(_delete_=True, type='mmpretrain.Accuracy', topk=(1, 5))
test_evaluator = val_evaluator
optim_wrapper = dict(optimizer=dict(lr=0.05, nesterov=True))
param_scheduler = [
    dict(type='CosineAnnealingLR', eta_min=0, T_max=60, by_epoch=True)
]
custom_hooks = [
    dict(type='RunRecordHook'),
    dict(type='StageTimesHook'),
    dict(type='ProgressHook'),
]
