"""The study under a learning rate that only falls: MoCo v2 with neighbours.

Command: ``python tools/train.py configs/study/falling_mocov2_isl_knn.py``;
with the others of its table: docs/results.md. Hardware meant for: one CPU
core, 10 to 20 s an epoch. Paper: no such data. Here: kNN 48.9 %, linear 54.4 %
(1 seed).
"""

_base_ = 'cifar10_mocov2_isl_knn.py'

param_scheduler = [
    dict(type='CosineAnnealingLR', eta_min=0, T_max=60, by_epoch=True)
]
