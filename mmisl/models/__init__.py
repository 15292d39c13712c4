# ruff: noqa: E402
from mmisl.compat import import_mmpretrain_models

import_mmpretrain_models()  # before the modules that need it

from .algorithms import ISL, NPID, BaseAlgorithm, Supervised
from .backbones import AlexNetBN
from .data_preprocessors import (
    AugmentingPreprocessor,
    BatchColorJitter,
    BatchRandomGrayscale,
    BatchRandomHorizontalFlip,
    BatchRandomResizedCrop,
)
from .heads import ISLHead, NCEHead, NPIDHead
from .memories import MemoryBank
from .miners import EntropyMiner, GANMiner, KNNMiner
from .necks import ISLNeck, PoolingNeck

__all__ = [
    'ISL',
    'NPID',
    'Supervised',
    'NCEHead',
    'AlexNetBN',
    'AugmentingPreprocessor',
    'BaseAlgorithm',
    'BatchColorJitter',
    'BatchRandomGrayscale',
    'BatchRandomHorizontalFlip',
    'BatchRandomResizedCrop',
    'EntropyMiner',
    'GANMiner',
    'ISLHead',
    'ISLNeck',
    'KNNMiner',
    'MemoryBank',
    'PoolingNeck',
    'NPIDHead',
]
