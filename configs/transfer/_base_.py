"""What all transfer sets share: every image of a part once, in order.

Images have 224x224 pixels, RGB: the short side 224, bicubic, and the middle
of it. The preprocessor is that of the network that is tried; the one below is
for networks of ImageNet.
"""

data_preprocessor = dict(
    type='mmpretrain.ClsDataPreprocessor',
    mean=[123.675, 116.28, 103.53],  # ImageNet, in 0..255, RGB
    std=[58.395, 57.12, 57.375],
    to_rgb=False,  # images are RGB from the loader on
)

train_dataloader = dict(
    batch_size=64,
    num_workers=4,
    pin_memory=True,
    drop_last=False,
    collate_fn=dict(type='default_collate'),
    sampler=dict(type='InstanceSampler', shuffle=False, unique=True),
    dataset=dict(
        type='InstanceDataset',
        dataset=dict(type='transfer_part', part='train'),
    ),
)
val_dataloader = dict(
    batch_size=64,
    num_workers=4,
    pin_memory=True,
    drop_last=False,
    collate_fn=dict(type='default_collate'),
    sampler=dict(type='InstanceSampler', shuffle=False, unique=True),
    dataset=dict(
        type='InstanceDataset',
        dataset=dict(type='transfer_part', part='val'),
    ),
)
test_dataloader = dict(
    batch_size=64,
    num_workers=4,
    pin_memory=True,
    drop_last=False,
    collate_fn=dict(type='default_collate'),
    sampler=dict(type='InstanceSampler', shuffle=False, unique=True),
    dataset=dict(
        type='InstanceDataset',
        dataset=dict(type='transfer_part', part='test'),
    ),
)
