"""What a pair is worth: drawn pairs, half of them right; no method.

Command: ``python tools/train.py
configs/study/ablation_isl_labels_far_half.py``; with the others of its table:
docs/results.md. Hardware meant for: one CPU core, 10 to 20 s an epoch. Paper:
no such data. Here: kNN 52.5 %, linear 52.8 % (1 seed).

cifar10_isl_labels_far.py at a purity of 50 %, near that of the nearest
neighbours.
"""

_base_ = 'cifar10_isl_labels_far.py'

model = dict(miner=dict(purity=0.5))
