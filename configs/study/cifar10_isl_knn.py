"""The study: ISL with nearest neighbours, the control without a GAN.

Command: ``python tools/train.py configs/study/cifar10_isl_knn.py``; with the
others of its table: docs/results.md. Hardware meant for: one CPU core, 10 to
20 s an epoch. Paper: no such data. Here: kNN 50.2 ± 0.3 %, linear 52.7 ± 0.4 %
(3 seeds).

Those of the mean of the augmented views, ranked by how many of their nearest
neighbours two images share, with ISL's cap: a purer rule than similarity.
"""

_base_ = 'cifar10_isl.py'

model = dict(
    miner=dict(
        _delete_=True,
        type='KNNMiner',
        source='mean_view',
        ranking='shared_neighbors',
        max_degree=20,
    )
)
