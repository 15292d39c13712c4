"""MoCo v2 with mined positives, ImageNet, ResNet-50, 4 rounds of 50 epochs.

Command: ``tools/dist_train.sh configs/mocov2_isl_r50.py 8``. Hardware meant
for: 8 GPUs with 32 images each; queue and bank take 0.64 GiB on every one.
Paper: VOC07 detection in ISL's supplement is 77.6. Here: not run.

How ISL and MoCo v2 were combined was never published: this is a proposal, see
``mmisl.MoCoISL``. Epochs and schedule are those of ``mocov2_r50.py``, cut into
rounds, so that run is the one to compare with. The miner's thresholds are
those of ``isl_r50.py``; they were chosen for temperature 0.07, and features
trained at 0.2 are spread differently, so watch the accepted edges in the log.

Ablations: ``--cfg-options model.head.use_positives=False
model.head.kl_weight=0`` only takes false negatives out;
``model.head.kl_weight=0`` goes without the divergence. A config with
``miner=dict(_delete_=True, type='KNNMiner')`` in its model puts plain
neighbours in the GAN's place; without that run a gain says nothing of the GAN.
``mocov2_isl_oneshot_r50.py`` mines once.
"""

_base_ = [
    '_base_/models/mocov2_r50_imagenet.py',
    '_base_/datasets/imagenet_mocov2.py',
    '_base_/schedules/moco_imagenet.py',
    '_base_/default_runtime.py',
]

model = dict(
    type='MoCoISL',
    head=dict(
        _delete_=True,
        type='MoCoISLHead',
        temperature=0.2,
        max_positives=4,
        kl_weight=0.5,
    ),
    # The key encoder averages already: a row is its latest key.
    memory=dict(type='MemoryBank', momentum=1.0),
    miner=dict(
        type='GANMiner',
        score_thr=0.3,
        sim_thr=0.3,
        topk=10,
        num_draws=4096,
    ),
)
train_cfg = dict(
    max_rounds=4,
    encoder=dict(max_epochs=50, val_interval=2),
    mining=dict(num_views=8, quota_per_round=0.5),
)
