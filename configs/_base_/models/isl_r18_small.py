"""ISL with ResNet-18 for 32x32 images: 3x3 stem, no max-pool."""

model = dict(
    type='ISL',
    backbone=dict(
        type='mmpretrain.ResNet_CIFAR', depth=18, zero_init_residual=False
    ),
    neck=dict(type='ISLNeck', in_channels=512),
    head=dict(type='ISLHead', temperature=0.1, hard_positive_weight=0.5),
    memory=dict(type='MemoryBank', momentum=0.5),
    miner=dict(
        type='GANMiner',
        score_thr=0.5,
        sim_thr=0.6,
        topk=10,
        num_draws=4096,
    ),
)
