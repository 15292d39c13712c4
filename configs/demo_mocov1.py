"""MoCo v1 on the demo's images and network, on a CPU.

Command: ``python tools/train.py configs/demo_mocov1.py``, once ``make demo``
has made the images. Hardware meant for: 2 CPU cores.

``demo_mocov2.py`` with a linear neck.
"""

_base_ = 'demo_mocov2.py'

model = dict(
    neck=dict(_delete_=True, type='ISLNeck', in_channels=48, map_size=4),
)
