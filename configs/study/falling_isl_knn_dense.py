"""The study under a learning rate that only falls: four times the neighbours.

Command: ``python tools/train.py configs/study/falling_isl_knn_dense.py``; with
the others of its table: docs/results.md. Hardware meant for: one CPU core, 10
to 20 s an epoch. Paper: no such data. Here: kNN 46.0 %, linear 50.0 % (1
seed).
"""

_base_ = 'cifar10_isl_knn_dense.py'

param_scheduler = [
    dict(type='CosineAnnealingLR', eta_min=0, T_max=60, by_epoch=True)
]
