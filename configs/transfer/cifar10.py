"""CIFAR-10: 45,000 / 5,000 / 10,000 images, 10 classes, top-1.

5,000 of the 50,000 training images are drawn for validation.
"""

_base_ = '_base_.py'

images = dict(name='cifar10', data_root='data/cifar10')

train_dataloader = dict(dataset=dict(dataset=images))
val_dataloader = dict(dataset=dict(dataset=images))
test_dataloader = dict(dataset=dict(dataset=images))
