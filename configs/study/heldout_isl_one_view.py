"""Held-out images: one view of an image to mine with.

Command: ``python tools/train.py configs/study/heldout_isl_one_view.py``; with
the others of its table: docs/results.md. Hardware meant for: one CPU core, 10
to 20 s an epoch. Paper: no such data. Here: not run.

heldout_isl.py with one view in place of eight.
"""

_base_ = 'heldout_isl.py'

train_cfg = dict(mining=dict(num_views=1))
