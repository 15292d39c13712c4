"""MoCo with mined positives, tiny."""

from . import moco

OVERRIDES = {
    **moco.OVERRIDES,
    'model': {
        **moco.OVERRIDES['model'],
        'type': 'MoCoISL',
        'head': dict(type='MoCoISLHead', temperature=0.2, max_positives=2),
        'memory': dict(type='MemoryBank', feat_dim=6, momentum=1.0),
        'miner': dict(
            type='GANMiner',
            feat_dim=6,
            generator='residual',
            score_thr=0.0,
            sim_thr=-0.5,
            topk=5,
            num_draws=7,
            spectral_norm=True,
            training=dict(
                min_iters=4, max_iters=8, eval_interval=2, loss='hinge'
            ),
        ),
    },
    'train_cfg': dict(
        _delete_=True,
        type='RoundBasedTrainLoop',
        max_rounds=2,
        encoder=dict(max_epochs=2, val_interval=2),
        mining=dict(num_views=2, quota_per_round=3.0),
    ),
    'param_scheduler': [dict(type='CosineAnnealingLR', T_max=4)],
}
