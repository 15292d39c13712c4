"""The study: ISL whose neighbours are all pulled alike.

Command: ``python tools/train.py configs/study/cifar10_isl_mean.py``; with the
others of its table: docs/results.md. Hardware meant for: one CPU core, 10 to
20 s an epoch. Paper: no such data. Here: not run.

cifar10_isl.py with the mean over the positives in place of the sum inside the
logarithm, which pulls a neighbour the less the farther it is.
"""

_base_ = 'cifar10_isl.py'

model = dict(head=dict(positive_reduction='mean'))
