"""Held-out images: mined positives for the GAN.

Command: ``python tools/train.py configs/study/heldout_isl_mined.py``; with the
others of its table: docs/results.md. Hardware meant for: one CPU core, 10 to
20 s an epoch. Paper: no such data. Here: not run.

heldout_isl.py whose triplets have a neighbour of the first mining as
positive, where an image has one.
"""

_base_ = 'heldout_isl.py'

model = dict(miner=dict(positive='mined'))
