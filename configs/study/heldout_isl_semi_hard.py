"""Held-out images: semi-hard negatives for the GAN.

Command: ``python tools/train.py configs/study/heldout_isl_semi_hard.py``; with
the others of its table: docs/results.md. Hardware meant for: one CPU core, 10
to 20 s an epoch. Paper: no such data. Here: not run.

heldout_isl.py whose triplets have the hardest of the negatives that are
further off than the positive.
"""

_base_ = 'heldout_isl.py'

model = dict(miner=dict(negative='semi_hard'))
