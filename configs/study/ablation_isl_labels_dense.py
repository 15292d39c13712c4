"""What a pair is worth: ten times as many right pairs; no method.

Command: ``python tools/train.py configs/study/ablation_isl_labels_dense.py``;
with the others of its table: docs/results.md. Hardware meant for: one CPU
core, 10 to 20 s an epoch. Paper: no such data. Here: kNN 52.8 %, linear 57.0 %
(1 seed).

cifar10_isl_labels.py with 20 and 40 neighbours per image in rounds 1 and 2,
where that has 2 and 4.
"""

_base_ = 'cifar10_isl_labels.py'

model = dict(miner=dict(max_degree=200))
train_cfg = dict(mining=dict(quota_per_round=20.0))
