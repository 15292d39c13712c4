"""Held-out images: NPID, which is no mining.

Command: ``python tools/train.py configs/study/heldout_npid.py``; with the
others of its table: docs/results.md. Hardware meant for: one CPU core, 10 to
20 s an epoch. Paper: no such data. Here: kNN 50.6 %, linear 52.8 % (1 seed).

cifar10_npid.py, scored as heldout_isl.py.
"""

_base_ = 'cifar10_npid.py'

val_dataloader = dict(
    dataset=dict(data_prefix='train', indices=list(range(1, 50000, 5)))
)
test_dataloader = val_dataloader
