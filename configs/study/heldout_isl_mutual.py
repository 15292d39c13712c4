"""Held-out images: thresholds from the features, mutual pairs.

Command: ``python tools/train.py configs/study/heldout_isl_mutual.py``; with
the others of its table: docs/results.md. Hardware meant for: one CPU core, 10
to 20 s an epoch. Paper: no such data. Here: kNN 50.0 %, linear 52.7 % (1
seed).

heldout_isl_auto.py whose pairs each image of them proposes.
"""

_base_ = 'heldout_isl_auto.py'

model = dict(miner=dict(mutual=True))
