"""The study: the nearest right pairs, told by labels; no method.

Command: ``python tools/train.py configs/study/cifar10_isl_labels.py``; with
the others of its table: docs/results.md. Hardware meant for: one CPU core, 10
to 20 s an epoch. Paper: no such data. Here: kNN 50.8 %, linear 54.2 % (1
seed).

What right pairs would be worth if a miner found the nearest ones, with the
neighbours per image of cifar10_isl_knn_dense.py. The labels are written by
``python tools/extract_features.py configs/study/cifar10_npid.py untrained
work_dirs/study/cifar10_labels.npz``.
"""

_base_ = 'cifar10_isl.py'

model = dict(
    miner=dict(
        _delete_=True,
        type='LabelMiner',
        labels='work_dirs/study/cifar10_labels.npz',
        purity=1.0,
        max_degree=20,
    )
)
train_cfg = dict(mining=dict(quota_per_round=2.0))
