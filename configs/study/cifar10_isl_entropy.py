"""The study: ISL's loss on pairs of lowest entropy, AND's rule.

Command: ``python tools/train.py configs/study/cifar10_isl_entropy.py``; with
the others of its table: docs/results.md. Hardware meant for: one CPU core, 10
to 20 s an epoch. Paper: no such data. Here: kNN 50.1 ± 0.1 %, linear 53.0 ±
0.7 % (3 seeds).
"""

_base_ = 'cifar10_isl.py'

model = dict(miner=dict(_delete_=True, type='EntropyMiner', temperature=0.1))
