"""Linear classifiers on conv1 to conv5 of a frozen AlexNet, all at once.

Command: ``tools/dist_train.sh configs/layers_alexnet.py 8 --cfg-options
model.checkpoint=PATH``, PATH being a checkpoint of a pretraining run with
``AlexNetBN``. Hardware meant for: 8 GPUs with 32 images each.
Paper: DeepCluster 41.0 on conv3 (as the paper of AND quotes it). Here: not
run.

For checkpoints of deepcluster_alexnet.py add
``model.backbone.channels=[96,256,384,384,256] model.backbone.sobel=True``; the
maps are then pooled to 9,600, 9,216, 9,600, 9,600 and 9,216 values, as by
DeepCluster.

Its code (``eval_linear.py``) has the crops, batch, epochs and learning rate,
0.01, which its rule leaves where it is at the weight decay of its script,
1e-7. Deviations: all stages in one pass over the images, which changes nothing
for each; crops of 227 pixels, as in pretraining here, instead of 224; cells of
a map are averaged without zeros around it; one crop of a test image, where an
option there takes ten.
"""

_base_ = [
    '_base_/datasets/imagenet_labels.py',
    '_base_/schedules/labels.py',
    '_base_/default_runtime.py',
]

# AlexNet sees 227x227, as in isl_alexnet.py.
train_pipeline = [
    *_base_.train_pipeline[:2],
    dict(type='mmpretrain.torchvision/Resize', size=256),
    dict(type='mmpretrain.torchvision/CenterCrop', size=256),
    dict(type='mmpretrain.torchvision/RandomCrop', size=227),
    *_base_.train_pipeline[3:],
]
test_pipeline = _base_.test_pipeline
test_pipeline[3]['size'] = 227

model = dict(
    type='LinearProbes',
    backbone=dict(type='AlexNetBN', variant='imagenet'),
    num_classes=1000,
    image_size=227,
    checkpoint='work_dirs/isl_alexnet/epoch_400.pth',
)
train_dataloader = dict(dataset=dict(dataset=dict(pipeline=train_pipeline)))
gallery_dataloader = dict(dataset=dict(dataset=dict(pipeline=test_pipeline)))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
train_cfg = dict(encoder=dict(max_epochs=90))
optim_wrapper = dict(optimizer=dict(lr=0.01, weight_decay=1e-7))
custom_hooks = [
    dict(type='FrozenBackboneHook'),
    dict(type='RunRecordHook'),
    dict(type='StageTimesHook'),
    dict(type='ProgressHook'),
]
