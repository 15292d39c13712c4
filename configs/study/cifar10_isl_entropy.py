"""The study: ISL's loss on pairs that AND's rule of low entropy chooses.

Command and numbers: docs/results.md. Hardware meant for: one CPU core. Paper:
no such data. Here: see docs/results.md.
"""

_base_ = 'cifar10_isl.py'

model = dict(miner=dict(_delete_=True, type='EntropyMiner', temperature=0.1))
