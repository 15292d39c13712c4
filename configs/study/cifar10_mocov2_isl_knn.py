"""The study: MoCo v2 with nearest neighbours as further positives.

Command: ``python tools/train.py configs/study/cifar10_mocov2_isl_knn.py``;
with the others of its table: docs/results.md. Hardware meant for: one CPU
core, 10 to 20 s an epoch. Paper: no such data. Here: kNN 50.1 ± 0.3 %, linear
55.4 ± 0.7 % (3 seeds).
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
