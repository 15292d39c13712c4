"""VOC2007: 2,501 / 2,510 / 4,952 images, 20 classes, 11-point mAP.

The official parts; an image has one label or several.
"""

_base_ = '_base_.py'

images = dict(name='voc07', data_root='data/VOCdevkit/VOC2007')

train_dataloader = dict(dataset=dict(dataset=images))
val_dataloader = dict(dataset=dict(dataset=images))
test_dataloader = dict(dataset=dict(dataset=images))
