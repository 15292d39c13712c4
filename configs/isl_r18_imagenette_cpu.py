"""ISL with a half-width ResNet-18 on Imagenette at 112 pixels, on a CPU.

Data: ``python tools/prepare_data.py imagenette --from ARCHIVE``.
Command: ``python tools/train.py configs/isl_r18_imagenette_cpu.py``.
Hardware meant for: 2 CPU cores. Paper: no such data. Here: a start of the
detectors in docs/results.md.

The network and the 40 epochs of npid_r18_imagenette_cpu.py in 3 rounds, of
which the first has 24; the miner is that of isl_r18_cifar10jpeg_cpu.py.
"""

_base_ = 'npid_r18_imagenette_cpu.py'

model = dict(
    type='ISL',
    head=dict(_delete_=True, type='ISLHead', temperature=0.1),
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
