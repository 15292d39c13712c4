"""Held-out images: at most five pairs an image.

Command: ``python tools/train.py configs/study/heldout_isl_max_degree5.py``;
with the others of its table: docs/results.md. Hardware meant for: one CPU
core, 10 to 20 s an epoch. Paper: no such data. Here: not run.

heldout_isl.py with a cap of 5 in place of 20.
"""

_base_ = 'heldout_isl.py'

model = dict(miner=dict(max_degree=5))
