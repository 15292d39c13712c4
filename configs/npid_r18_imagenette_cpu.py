"""NPID with a half-width ResNet-18 on Imagenette at 112 pixels, on a CPU.

Data: ``python tools/prepare_data.py imagenette --from ARCHIVE``.
Command: ``python tools/train.py configs/npid_r18_imagenette_cpu.py``.
Hardware meant for: 2 CPU cores. Paper: no such data. Here: a start of the
detectors in docs/results.md.

Network, data and epochs are those of sup_r18_imagenette_cpu.py; head and
optimizer those of npid_r18_cifar10.py.
"""

_base_ = 'sup_r18_imagenette_cpu.py'

model = dict(
    _delete_=True,
    type='NPID',
    backbone=_base_.model.backbone,
    neck=dict(type='ISLNeck', in_channels=256),
    head=dict(type='NPIDHead', temperature=0.1),
    memory=dict(type='MemoryBank', momentum=0.5),
)
val_evaluator = dict(_delete_=True, type='KNNMetric', k=200, temperature=0.1)
test_evaluator = val_evaluator
optim_wrapper = dict(optimizer=dict(lr=0.03, weight_decay=5e-4))
