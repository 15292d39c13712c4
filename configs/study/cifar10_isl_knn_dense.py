"""The study: the control with four times as many neighbours.

Command: ``python tools/train.py configs/study/cifar10_isl_knn_dense.py``; with
the others of its table: docs/results.md. Hardware meant for: one CPU core, 10
to 20 s an epoch. Paper: no such data. Here: kNN 49.0 %, linear 52.3 % (1
seed).

2 and 4 neighbours per image in rounds 1 and 2, where cifar10_isl_knn.py has
0.5 and 1.
"""

_base_ = 'cifar10_isl_knn.py'

train_cfg = dict(mining=dict(quota_per_round=2.0))
