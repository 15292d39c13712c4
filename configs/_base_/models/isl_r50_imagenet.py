"""ISL with ResNet-50 for 224x224 images."""

model = dict(
    type='ISL',
    backbone=dict(
        type='mmpretrain.ResNet', depth=50, zero_init_residual=False
    ),
    neck=dict(type='ISLNeck', in_channels=2048),
    head=dict(type='ISLHead', temperature=0.07, hard_positive_weight=0.5),
    memory=dict(type='MemoryBank', momentum=0.5),
    miner=dict(
        type='GANMiner',
        score_thr=0.3,
        sim_thr=0.3,
        topk=10,
        num_draws=4096,
    ),
)
