"""Imagenette: as many neighbours as single views find again, at most two.

Data: as nette_isl.py. Command: ``python tools/train.py
configs/study/nette_isl_knn_gate.py``; with the others of its table:
docs/results.md. Hardware meant for: one CPU core, about a minute an epoch.
Paper: no such data. Here: kNN 46.9 %, linear 57.0 % (1 seed).

nette_isl_knn.py asked for four times as many pairs, with the gate that was
chosen on held-out images of CIFAR-10 (heldout_isl_knn_gate.py): does it hold
on other images.
"""

_base_ = 'nette_isl_knn.py'

model = dict(miner=dict(min_replication=0.5))
train_cfg = dict(mining=dict(quota_per_round=2.0))
