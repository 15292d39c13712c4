"""The study under a learning rate that only falls: NPID.

Command: ``python tools/train.py configs/study/falling_npid.py``; with the
others of its table: docs/results.md. Hardware meant for: one CPU core, 10 to
20 s an epoch. Paper: no such data. Here: kNN 46.9 ± 0.5 %, linear 50.0 ± 0.3 %
(3 seeds).
"""

_base_ = 'cifar10_npid.py'

param_scheduler = [
    dict(type='CosineAnnealingLR', eta_min=0, T_max=60, by_epoch=True)
]
