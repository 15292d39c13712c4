"""Held-out images: so many neighbours as single views find again.

Command: ``python tools/train.py configs/study/heldout_isl_knn_gate.py``; with
the others of its table: docs/results.md. Hardware meant for: one CPU core, 10
to 20 s an epoch. Paper: no such data. Here: kNN 50.5 %, linear 52.9 % (1
seed).

heldout_isl_knn_many.py, whose gate adds only so many pairs, best first, as are
found again in half of the searches with single views.
"""

_base_ = 'heldout_isl_knn_many.py'

model = dict(miner=dict(min_replication=0.5))
