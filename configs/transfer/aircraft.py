"""FGVC-Aircraft: 3,334 / 3,333 / 3,333 images, 100 classes, mean per class.

The official parts, by variant.
"""

_base_ = '_base_.py'

images = dict(name='aircraft', data_root='data/aircraft')

train_dataloader = dict(dataset=dict(dataset=images))
val_dataloader = dict(dataset=dict(dataset=images))
test_dataloader = dict(dataset=dict(dataset=images))
