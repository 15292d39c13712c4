"""The demo with AND's rule, pairs of lowest entropy, in place of the GAN.

Command: ``python tools/train.py configs/demo_entropy.py``, once ``make demo``
has made the images. Hardware meant for: 2 CPU cores.

AND's half a neighbour a round, a quarter of the demo's: a sample proposes one
pair, so a quota of 2 neighbours would take every pair, whatever its entropy.
"""

_base_ = 'demo.py'

model = dict(miner=dict(_delete_=True, type='EntropyMiner', temperature=0.1))
train_cfg = dict(mining=dict(quota_per_round=0.5))
