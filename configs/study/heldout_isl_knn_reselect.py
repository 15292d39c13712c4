"""Held-out images: all pairs chosen anew each round.

Command: ``python tools/train.py configs/study/heldout_isl_knn_reselect.py``;
with the others of its table: docs/results.md. Hardware meant for: one CPU
core, 10 to 20 s an epoch. Paper: no such data. Here: kNN 50.0 %, linear 52.9 %
(1 seed).

heldout_isl_knn.py that drops the pairs of the first mining at the second.
"""

_base_ = 'heldout_isl_knn.py'

model = dict(miner=dict(reselect=True))
