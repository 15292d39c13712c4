"""The study: MoCo v2 with nearest neighbours as further positives.

Command and numbers: docs/results.md. Hardware meant for: one CPU core. Paper:
no such data. Here: see docs/results.md.
"""

_base_ = 'cifar10_mocov2_isl.py'

model = dict(
    miner=dict(
        _delete_=True,
        type='KNNMiner',
        source='mean_view',
        ranking='shared_neighbors',
        max_degree=20,
    )
)
