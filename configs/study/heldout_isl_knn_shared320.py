"""Chosen on held-out images: the purest neighbours.

Command: ``python tools/train.py configs/study/heldout_isl_knn_shared320.py``;
with the others of its table: docs/results.md. Hardware meant for: one CPU
core, 10 to 20 s an epoch. Paper: no such data. Here: see docs/results.md.

heldout_isl_knn.py ranked by how many of their 320 nearest neighbours two
images share: the purest rule on frozen features.
"""

_base_ = 'heldout_isl_knn.py'

model = dict(miner=dict(num_shared=320))
