"""Held-out images: the hardest neighbour as hard positive.

Command: ``python tools/train.py configs/study/heldout_isl_knn_hardest.py``;
with the others of its table: docs/results.md. Hardware meant for: one CPU
core, 10 to 20 s an epoch. Paper: no such data. Here: kNN 50.2 %, linear 52.8 %
(1 seed).

heldout_isl_knn.py whose second term imitates the neighbour least similar to an
image, where the released code takes the most similar.
"""

_base_ = 'heldout_isl_knn.py'

model = dict(head=dict(hard_positive='hardest'))
