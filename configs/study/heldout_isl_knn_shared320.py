"""Held-out images: neighbours ranked by 320 shared ones.

Command: ``python tools/train.py configs/study/heldout_isl_knn_shared320.py``;
with the others of its table: docs/results.md. Hardware meant for: one CPU
core, 10 to 20 s an epoch. Paper: no such data. Here: kNN 49.9 %, linear 52.9 %
(1 seed).

heldout_isl_knn.py ranked by how many of their 320 nearest neighbours two
images share: on frozen features the purest rule at 0.5 neighbours an image.
"""

_base_ = 'heldout_isl_knn.py'

model = dict(miner=dict(num_shared=320))
