"""DeepCluster on the demo's images, with its backbone and number of epochs.

Command: ``python tools/train.py configs/demo_deepcluster.py``, once ``make
demo`` has made the images. Hardware meant for: 2 CPU cores.

100 clusters of 64 components for 1,437 images: 10 clusters a class, as on
ImageNet. Deviations from the published constants as in demo.py: AdamW, whose
state of the classifier is forgotten with it, a cosine, no global pooling.
Its kNN sees all 768 values of the map, that of demo.py the 128 of a
projection. Numbers: docs/results.md.
"""

_base_ = 'demo.py'

model = dict(
    _delete_=True,
    type='DeepCluster',
    backbone=_base_.model.backbone,
    neck=dict(type='DeepClusterNeck', in_channels=48, map_size=4),
    head=dict(type='DeepClusterHead', num_clusters=100, in_channels=768),
    num_components=64,
)
train_dataloader = dict(sampler=dict(type='ClusterSampler'))
gallery_dataloader = dict(num_workers=1)
train_cfg = dict(
    _delete_=True,
    type='RoundBasedTrainLoop',
    max_rounds=53,
    encoder=dict(first_epochs=0, max_epochs=1, val_interval=5),
)
# One checkpoint an epoch: the clustering after it is made again on resume.
default_hooks = dict(checkpoint=dict(after_mining=False))
