"""ISL on handwritten digits over textures, on a CPU: what ``make demo`` runs.

Command: ``make demo``, or ``python tools/train.py configs/demo.py`` for this
run alone, once ``make demo`` has made the images. Hardware meant for: 2 CPU
cores.

A narrow ResNet of three stages, 3 rounds. The first round is long: neighbours
mined from features that are still poor cost accuracy. Deviations from the
published constants, all for a run of minutes: no global pooling (a digit is
where its strokes lie; pooled globally, nothing is learnt in 20 epochs), AdamW,
temperature 0.1, residual generator and votes over 4 views, 20 rows around a
proxy from a cosine of 0.2 on, ImageNet's score threshold of 0.3 (scores of a
balanced discriminator are about 0.5, so the small sets' 0.5 is a toss), 112
draws for the negative (the share of the bank that 4,096 are of 50,000), a cap
of 20 neighbours, at least 800 iterations of the GAN: of 200, one first mining
in three seeds found 4 edges where 1,437 were asked for.
"""

_base_ = [
    '_base_/models/isl_r18_small.py',
    '_base_/datasets/digits.py',
    '_base_/schedules/rounds_small.py',
    '_base_/default_runtime.py',
]

model = dict(
    backbone=dict(
        num_stages=3,
        strides=(2, 2, 2),
        dilations=(1, 1, 1),
        out_indices=(2,),
        stem_channels=12,
        base_channels=12,
    ),
    neck=dict(in_channels=48, map_size=4),
    head=dict(temperature=0.1),
    miner=dict(
        generator='residual',
        ranking='votes',
        sim_thr=0.2,
        topk=20,
        num_draws=112,
        max_degree=20,
        score_thr=0.3,
        training=dict(
            min_iters=800, max_iters=1600, eval_interval=50, patience=4
        ),
    ),
)
train_dataloader = dict(num_workers=1)
train_cfg = dict(
    max_rounds=3,
    encoder=dict(max_epochs=6, first_epochs=40, val_interval=5),
    mining=dict(num_views=4, quota_per_round=2.0),
)
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='AdamW', lr=2e-3, weight_decay=0.01)
)
param_scheduler = [
    # `end` is given because the demo runs the first round on its own.
    dict(type='CosineAnnealingLR', eta_min=0, T_max=52, end=52, by_epoch=True)
]
default_hooks = dict(logger=dict(interval=45))
env_cfg = dict(dist_cfg=dict(backend='gloo'))
