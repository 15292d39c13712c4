"""MoCo v2 with mined positives on CIFAR-10, ResNet-18, 4 rounds of 50 epochs.

Command: ``python tools/train.py configs/mocov2_isl_r18_cifar10.py``.
Hardware meant for: one GPU. Paper: none. Here: not run.

A proposal, see ``mmisl.MoCoISL``. Schedule, queue and temperature are those of
``mocov2_r18_cifar10.py``, with which to compare it; the miner's thresholds are
those of ``isl_r18_cifar10.py``, which has the same temperature.
"""

_base_ = 'mocov2_r18_cifar10.py'

model = dict(
    type='MoCoISL',
    head=dict(
        _delete_=True,
        type='MoCoISLHead',
        temperature=0.1,
        max_positives=4,
        kl_weight=0.5,
    ),
    # The key encoder averages already: a row is its latest key.
    memory=dict(type='MemoryBank', momentum=1.0),
    miner=dict(
        type='GANMiner',
        score_thr=0.5,
        sim_thr=0.6,
        topk=10,
        num_draws=4096,
    ),
)
train_cfg = dict(
    max_rounds=4,
    encoder=dict(max_epochs=50),
    mining=dict(num_views=8, quota_per_round=0.5),
)
