"""Imagenette: MoCo v2 with nearest neighbours as further positives.

Command: ``python tools/train.py configs/study/nette_mocov2_isl_knn.py``; with
the others of its table: docs/results.md. Hardware meant for: one CPU core, not
timed. Paper: no such data. Here: kNN 33.0 %, linear 51.7 % (1 seed).
"""

_base_ = 'nette_mocov2_isl.py'

model = dict(
    miner=dict(
        _delete_=True,
        type='KNNMiner',
        source='mean_view',
        ranking='shared_neighbors',
        max_degree=20,
    )
)
