"""Held-out images: the thresholds published for ImageNet.

Command: ``python tools/train.py configs/study/heldout_isl_imagenet_thr.py``;
with the others of its table: docs/results.md. Hardware meant for: one CPU
core, 10 to 20 s an epoch. Paper: no such data. Here: not run.

heldout_isl.py with a score of 0.3 and a similarity of 0.3, in place of 0.5
and 0.6.
"""

_base_ = 'heldout_isl.py'

model = dict(miner=dict(score_thr=0.3, sim_thr=0.3))
