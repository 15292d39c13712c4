"""CIFAR-100: 44,933 / 5,067 / 10,000 images, 100 classes, top-1.

5,067 of the 50,000 training images are drawn for validation.
"""

_base_ = '_base_.py'

images = dict(name='cifar100', data_root='data/cifar100')

train_dataloader = dict(dataset=dict(dataset=images))
val_dataloader = dict(dataset=dict(dataset=images))
test_dataloader = dict(dataset=dict(dataset=images))
