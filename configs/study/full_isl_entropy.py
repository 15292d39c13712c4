"""The full study: AND's rule in place of the GAN.

Command: ``python tools/train.py configs/study/full_isl_entropy.py``; with the
others of its table: docs/results.md. Hardware meant for: one GPU. Paper: no
such data. Here: not run.
"""

_base_ = 'full_isl.py'

model = dict(miner=dict(_delete_=True, type='EntropyMiner', temperature=0.1))
