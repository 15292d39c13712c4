"""The study: ISL, whose GAN's pairs pass the gate.

Command: ``python tools/train.py configs/study/cifar10_isl_gate.py``; with the
others of its table: docs/results.md. Hardware meant for: one CPU core, 10 to
20 s an epoch. Paper: no such data. Here: not run.

The gate of cifar10_isl_knn_gate.py on the published rule.
"""

_base_ = 'cifar10_isl.py'

model = dict(miner=dict(min_replication=0.5))
