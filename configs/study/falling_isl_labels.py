"""The study under a learning rate that only falls: right pairs, an instrument.

Command: ``python tools/train.py configs/study/falling_isl_labels.py``; with
the others of its table: docs/results.md. Hardware meant for: one CPU core, 10
to 20 s an epoch. Paper: no such data. Here: kNN 46.9 %, linear 50.3 % (1
seed).
"""

_base_ = 'cifar10_isl_labels.py'

param_scheduler = [
    dict(type='CosineAnnealingLR', eta_min=0, T_max=60, by_epoch=True)
]
