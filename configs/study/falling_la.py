"""The study under a learning rate that only falls: Local Aggregation.

Command: ``python tools/train.py configs/study/falling_la.py``; with the others
of its table: docs/results.md. Hardware meant for: one CPU core, 10 to 20 s an
epoch. Paper: no such data. Here: kNN 44.5 ± 0.4 %, linear 49.4 ± 0.3 % (2
seeds).
"""

_base_ = 'cifar10_la.py'

param_scheduler = [
    dict(type='CosineAnnealingLR', eta_min=0, T_max=60, by_epoch=True)
]
