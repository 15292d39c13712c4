"""Held-out images: thresholds from the features, shared votes.

Command: ``python tools/train.py configs/study/heldout_isl_auto.py``; with the
others of its table: docs/results.md. Hardware meant for: one CPU core, 10 to
20 s an epoch. Paper: no such data. Here: kNN 50.0 %, linear 52.8 % (1 seed).

heldout_isl.py with the miner of cifar10_isl_auto.py.
"""

_base_ = 'heldout_isl.py'

model = dict(
    miner=dict(
        ranking='shared_votes',
        score_thr='auto',
        sim_thr='auto',
        training=dict(max_iters=1600),
    )
)
