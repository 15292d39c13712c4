"""The demo's control: plain nearest neighbours in place of the GAN.

Command: ``make demo``, which trains both from one first round, or ``python
tools/train.py configs/demo_knn.py``. Hardware meant for: 2 CPU cores.
"""

_base_ = 'demo.py'

model = dict(
    miner=dict(
        _delete_=True,
        type='KNNMiner',
        source='mean_view',
        ranking='shared_neighbors',
        max_degree=20,
    )
)
