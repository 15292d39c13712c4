"""Caltech-101: 2,525 / 505 / 5,647 images, 101 classes, mean per class.

25 images of a class to train, 5 to validate, all others to test, drawn in
five ways: split 0 to 4. The background is left out.
"""

_base_ = '_base_.py'

images = dict(name='caltech101', data_root='data/caltech101')

train_dataloader = dict(dataset=dict(dataset=images))
val_dataloader = dict(dataset=dict(dataset=images))
test_dataloader = dict(dataset=dict(dataset=images))
