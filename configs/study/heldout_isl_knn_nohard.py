"""Held-out images: neighbours without the hard positive.

Command: ``python tools/train.py configs/study/heldout_isl_knn_nohard.py``;
with the others of its table: docs/results.md. Hardware meant for: one CPU
core, 10 to 20 s an epoch. Paper: no such data. Here: kNN 50.2 %, linear 52.5 %
(1 seed).

heldout_isl_knn.py without the second term of the loss.
"""

_base_ = 'heldout_isl_knn.py'

model = dict(head=dict(hard_positive_weight=0.0))
