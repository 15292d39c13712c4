"""The study: ISL with thresholds that are set from the features.

Command: ``python tools/train.py configs/study/cifar10_isl_auto.py``; with the
others of its table: docs/results.md. Hardware meant for: one CPU core, 10 to
20 s an epoch. Paper: no such data. Here: kNN 50.3 ± 0.1 %, linear 52.7 ± 0.4 %
(3 seeds).

cifar10_isl.py with the settings whose pairs were purest on frozen features:
thresholds by quantiles, and pairs ranked by how far two images vote for the
same neighbours.
"""

_base_ = 'cifar10_isl.py'

model = dict(
    miner=dict(
        ranking='shared_votes',
        score_thr='auto',
        sim_thr='auto',
        training=dict(max_iters=1600),
    )
)
