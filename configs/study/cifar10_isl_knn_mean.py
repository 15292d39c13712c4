"""The study: the control, whose neighbours are all pulled alike.

Command: ``python tools/train.py configs/study/cifar10_isl_knn_mean.py``; with
the others of its table: docs/results.md. Hardware meant for: one CPU core, 10
to 20 s an epoch. Paper: no such data. Here: kNN 49.9 %, linear 52.0 % (1
seed).

cifar10_isl_knn.py with the mean over the positives, as in cifar10_isl_mean.py.
"""

_base_ = 'cifar10_isl_knn.py'

model = dict(head=dict(positive_reduction='mean'))
