"""What every run shares: hooks, logging, seed."""

default_scope = 'mmisl'
# Reads checkpoints to the host; without it mmengine's runner does.
runner_type = 'mmisl.LeanRunner'

default_hooks = dict(
    runtime_info=dict(type='DeferredLossHook'),
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50),
    param_scheduler=dict(type='ParamSchedulerHook'),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    checkpoint=dict(type='AtomicCheckpointHook', interval=1, max_keep_ckpts=2),
)
custom_hooks = [
    dict(type='MemoryBankHook'),
    dict(type='KNNGalleryHook'),
    dict(type='MiningSnapshotHook'),
    dict(type='NeighborPictureHook', num_anchors=8),
    dict(type='RunRecordHook'),
    dict(type='StageTimesHook'),
    dict(type='ProgressHook'),
]

env_cfg = dict(
    cudnn_benchmark=True,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'),
)
visualizer = dict(
    type='Visualizer',
    vis_backends=[
        dict(type='LocalVisBackend'),
        dict(type='TensorboardVisBackend'),
    ],
)
log_processor = dict(type='StageLogProcessor', window_size=50)
log_level = 'INFO'
load_from = None
resume = False
randomness = dict(seed=1)  # seed of the released code
