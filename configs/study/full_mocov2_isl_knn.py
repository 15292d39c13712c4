"""The full study: MoCo v2 with nearest neighbours.

Command: ``python tools/train.py configs/study/full_mocov2_isl_knn.py``; with
the others of its table: docs/results.md. Hardware meant for: one GPU. Paper:
no such data. Here: not run.
"""

_base_ = 'full_mocov2_isl.py'

model = dict(
    miner=dict(
        _delete_=True,
        type='KNNMiner',
        source='mean_view',
        ranking='shared_neighbors',
        max_degree=20,
    )
)
