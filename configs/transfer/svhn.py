"""SVHN: 65,931 / 7,326 / 26,032 images, 10 classes, top-1.

A tenth of the 73,257 training images is drawn for validation.
"""

_base_ = '_base_.py'

images = dict(name='svhn', data_root='data/svhn')

train_dataloader = dict(dataset=dict(dataset=images))
val_dataloader = dict(dataset=dict(dataset=images))
test_dataloader = dict(dataset=dict(dataset=images))
