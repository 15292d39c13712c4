"""Held-out images: nearest neighbours, no GAN.

Command: ``python tools/train.py configs/study/heldout_isl_knn.py``; with the
others of its table: docs/results.md. Hardware meant for: one CPU core, 10 to
20 s an epoch. Paper: no such data. Here: kNN 50.3 %, linear 53.0 % (1 seed).

heldout_isl.py with the miner of cifar10_isl_knn.py.
"""

_base_ = 'heldout_isl.py'

model = dict(
    miner=dict(
        _delete_=True,
        type='KNNMiner',
        source='mean_view',
        ranking='shared_neighbors',
        max_degree=20,
    )
)
