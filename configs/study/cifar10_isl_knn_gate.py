"""The study: as many neighbours as single views find again, at most two.

Command: ``python tools/train.py configs/study/cifar10_isl_knn_gate.py``; with
the others of its table: docs/results.md. Hardware meant for: one CPU core, 10
to 20 s an epoch. Paper: no such data. Here: kNN 50.4 ± 0.1 %, linear 52.9 ±
0.5 % (3 seeds).

cifar10_isl_knn_dense.py with the gate that was chosen on held-out images
(heldout_isl_knn_gate.py): of the pairs asked for, only so many are added, best
first, as are found again in half of the searches with single views.
"""

_base_ = 'cifar10_isl_knn_dense.py'

model = dict(miner=dict(min_replication=0.5))
