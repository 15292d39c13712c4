"""MoCo v2 with mined positives on the demo's images and network, on a CPU.

Command: ``python tools/train.py configs/demo_mocov2_isl.py``, once ``make
demo`` has made the images. Hardware meant for: 2 CPU cores.

A proposal, see ``mmisl.MoCoISL``. Epochs and network are those of
``demo_mocov2.py``, rounds and miner those of ``demo.py``.

Numbers: docs/results.md.
"""

_base_ = 'demo_mocov2.py'

model = dict(
    type='MoCoISL',
    head=dict(_delete_=True, type='MoCoISLHead', temperature=0.1),
    memory=dict(type='MemoryBank', momentum=1.0),
    miner=dict(
        type='GANMiner',
        score_thr=0.3,
        generator='residual',
        ranking='votes',
        sim_thr=0.2,
        topk=20,
        num_draws=112,
        max_degree=20,
        training=dict(
            min_iters=800, max_iters=1600, eval_interval=50, patience=4
        ),
    ),
)
train_cfg = dict(
    max_rounds=3,
    encoder=dict(max_epochs=6, first_epochs=40),
    mining=dict(num_views=4, quota_per_round=2.0),
)
