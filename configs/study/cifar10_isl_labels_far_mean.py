"""The study: drawn right pairs, all pulled alike; no method.

Command: ``python tools/train.py
configs/study/cifar10_isl_labels_far_mean.py``; with the others of its table:
docs/results.md. Hardware meant for: one CPU core, 10 to 20 s an epoch. Paper:
no such data. Here: kNN 59.8 %, linear 61.3 % (1 seed).

cifar10_isl_labels_far.py with the mean over the positives, as in
cifar10_isl_mean.py.
"""

_base_ = 'cifar10_isl_labels_far.py'

model = dict(head=dict(positive_reduction='mean'))
