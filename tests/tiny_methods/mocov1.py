"""MoCo v1, tiny: a linear neck and a lower temperature."""

from . import moco

OVERRIDES = {
    **moco.OVERRIDES,
    'model': {
        **moco.OVERRIDES['model'],
        'neck': dict(type='ISLNeck', in_channels=32, out_channels=6),
        'head': {**moco.OVERRIDES['model']['head'], 'temperature': 0.07},
    },
}
