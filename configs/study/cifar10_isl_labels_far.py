"""The study: right pairs drawn from all of a class; no method.

Command: ``python tools/train.py configs/study/cifar10_isl_labels_far.py``;
with the others of its table: docs/results.md. Hardware meant for: one CPU
core, 10 to 20 s an epoch. Paper: no such data. Here: kNN 54.5 ± 0.3 %, linear
56.3 ± 0.7 % (2 seeds).

As many pairs as cifar10_isl_labels.py has, and all right as there, but not the
nearest ones: what would be found by a miner that sees past the features.
"""

_base_ = 'cifar10_isl_labels.py'

model = dict(miner=dict(source='random'))
