"""Flowers-102: 1,020 / 1,020 / 6,149 images, 102 classes, mean per class.

The official parts.
"""

_base_ = '_base_.py'

images = dict(name='flowers102', data_root='data/flowers102')

train_dataloader = dict(dataset=dict(dataset=images))
val_dataloader = dict(dataset=dict(dataset=images))
test_dataloader = dict(dataset=dict(dataset=images))
