"""Food-101: 68,175 / 7,575 / 25,250 images, 101 classes, top-1.

7,575 of the 75,750 training images are drawn for validation.
"""

_base_ = '_base_.py'

images = dict(name='food101', data_root='data/food101')

train_dataloader = dict(dataset=dict(dataset=images))
val_dataloader = dict(dataset=dict(dataset=images))
test_dataloader = dict(dataset=dict(dataset=images))
