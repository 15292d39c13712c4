"""The study under a learning rate that only falls: ISL.

Command: ``python tools/train.py configs/study/falling_isl.py``; with the
others of its table: docs/results.md. Hardware meant for: one CPU core, 10 to
20 s an epoch. Paper: no such data. Here: kNN 46.7 ± 0.5 %, linear 49.7 ± 1.0 %
(3 seeds).

cifar10_isl.py whose learning rate falls all the time along one cosine: when
the first pairs come in a quarter of it is left.
"""

_base_ = 'cifar10_isl.py'

param_scheduler = [
    dict(type='CosineAnnealingLR', eta_min=0, T_max=60, by_epoch=True)
]
