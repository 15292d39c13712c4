"""ISL on CIFAR-10 with the released learning rate rule, on a held-out split.

Command: ``python tools/train.py configs/isl_r18_cifar10_plateau.py``. Hardware
meant for: one GPU. Paper: number not at hand. Here: not run.

The released code multiplies the learning rate by 0.8 when kNN accuracy on
the TEST labels has not risen for 2 evaluations, which makes it supervised by
them. Here the rule looks at the last 5,000 training images, which are left
out of training; labels still steer it, so this is for reproduction only.
"""

_base_ = 'isl_r18_cifar10.py'

train_dataloader = dict(dataset=dict(dataset=dict(indices=45000)))
gallery_dataloader = dict(dataset=dict(dataset=dict(indices=45000)))
val_dataloader = dict(
    dataset=dict(split='train', indices=list(range(45000, 50000)))
)
param_scheduler = [
    dict(
        type='ReduceOnPlateauLR',
        monitor='knn/bank_top1',
        rule='greater',
        factor=0.8,
        patience=1,
    )
]
