"""Held-out images: the GAN and ranking as released.

Command: ``python tools/train.py configs/study/heldout_isl_released.py``; with
the others of its table: docs/results.md. Hardware meant for: one CPU core, 10
to 20 s an epoch. Paper: no such data. Here: not run.

heldout_isl.py with the released generator, pairs in the order of the
score's margin, and no cap on an image's pairs.
"""

_base_ = 'heldout_isl.py'

model = dict(miner=dict(generator='mlp', ranking='margin', max_degree=None))
