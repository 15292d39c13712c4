"""Imagenette: ISL with nearest neighbours in place of the GAN's.

Command: ``python tools/train.py configs/study/nette_isl_knn.py``; with the
others of its table: docs/results.md. Hardware meant for: one CPU core, about a
minute an epoch. Paper: no such data. Here: kNN 45.6 %, linear 55.6 % (1 seed).
"""

_base_ = 'nette_isl.py'

model = dict(
    miner=dict(
        _delete_=True,
        type='KNNMiner',
        source='mean_view',
        ranking='shared_neighbors',
        max_degree=20,
    )
)
