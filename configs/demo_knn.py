"""The demo's control: nearest neighbours in place of the GAN.

Those of the mean of the augmented views, ranked by how many of their nearest
neighbours two images share, with ISL's cap of 20 neighbours: a stronger rival
than the pairs of highest cosine, which stand beside every run as plain nearest
neighbours.

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
