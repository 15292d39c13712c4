from .augmenting_preprocessor import AugmentingPreprocessor, draw_keys
from .batch_apply import BatchRandomApply
from .batch_colour import (
    BatchColorJitter,
    BatchRandomGrayscale,
    BatchRandomHorizontalFlip,
)
from .batch_crop import BatchRandomResizedCrop

__all__ = [
    'AugmentingPreprocessor',
    'BatchColorJitter',
    'BatchRandomApply',
    'BatchRandomGrayscale',
    'BatchRandomHorizontalFlip',
    'BatchRandomResizedCrop',
    'draw_keys',
]
