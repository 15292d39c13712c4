"""The demo with AND's rule, pairs of lowest entropy, in place of the GAN.

Command: ``python tools/train.py configs/demo_entropy.py``, once ``make demo``
has made the images. Hardware meant for: 2 CPU cores.
"""

_base_ = 'demo.py'

model = dict(miner=dict(_delete_=True, type='EntropyMiner', temperature=0.1))
