"""What a pair is worth: nearest pairs, half of them right; no method.

Command: ``python tools/train.py configs/study/ablation_isl_labels_half.py``;
with the others of its table: docs/results.md. Hardware meant for: one CPU
core, 10 to 20 s an epoch. Paper: no such data. Here: kNN 49.0 %, linear 52.9 %
(1 seed).

cifar10_isl_labels.py at a purity of 50 %, near that of the nearest neighbours.
"""

_base_ = 'cifar10_isl_labels.py'

model = dict(miner=dict(purity=0.5))
