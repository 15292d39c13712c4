"""MoCo v2 with mined positives on Imagenette at 112 pixels, on a CPU.

Data: ``python tools/prepare_data.py imagenette --from ARCHIVE``.
Command: ``python tools/train.py configs/mocov2_isl_r18_imagenette_cpu.py``.
Hardware meant for: 2 CPU cores. Paper: no such data. Here: a start of the
detectors in docs/results.md.

A proposal, see ``mmisl.MoCoISL``. Network, queue and 40 epochs are those of
mocov2_r18_imagenette_cpu.py; rounds and miner those of
isl_r18_imagenette_cpu.py.
"""

_base_ = 'mocov2_r18_imagenette_cpu.py'

model = dict(
    type='MoCoISL',
    head=dict(_delete_=True, type='MoCoISLHead', temperature=0.1),
    # The key encoder averages already: a row is its latest key.
    memory=dict(type='MemoryBank', momentum=1.0),
    miner=dict(
        type='GANMiner',
        score_thr=0.5,
        sim_thr=0.6,
        topk=10,
        generator='residual',
        ranking='votes',
        num_draws=295,  # the share of the bank that 4,096 are of 50,000
        max_degree=20,
        training=dict(min_iters=800, max_iters=4000),
    ),
)
train_cfg = dict(
    max_rounds=3,
    encoder=dict(max_epochs=8, first_epochs=24, val_interval=8),
    mining=dict(num_views=8, quota_per_round=0.5),
)
