"""ResNet-50 finetuned on 10 % of ImageNet's labels, 30 epochs.

Command: ``tools/dist_train.sh configs/finetune_r50_imagenet10.py 8
--cfg-options model.checkpoint=PATH``. Hardware meant for: 8 GPUs with 32
images each.
Paper: none of ISL's at hand. Here: not run.

As finetune_r50_imagenet1.py, which see, with 128,117 images (the published
list, ``10percent.txt``, has 128,116) and half the epochs, as SimCLR has it.
"""

_base_ = 'finetune_r50_imagenet1.py'

train_dataloader = dict(dataset=dict(dataset=dict(share=0.1)))
train_cfg = dict(encoder=dict(max_epochs=30))
param_scheduler = [
    dict(type='CosineAnnealingLR', eta_min=0, T_max=30, by_epoch=True)
]
