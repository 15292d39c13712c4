# ruff: noqa: E402
from mmisl.compat import import_mmpretrain_models

import_mmpretrain_models()  # before the modules that need it

from .algorithms import (
    ISL,
    NPID,
    BaseAlgorithm,
    DeepCluster,
    LinearProbes,
    LocalAggregation,
    MoCo,
    MoCoISL,
    Supervised,
)
from .backbones import AlexNetBN
from .data_preprocessors import (
    AugmentingPreprocessor,
    BatchColorJitter,
    BatchRandomApply,
    BatchRandomGrayscale,
    BatchRandomHorizontalFlip,
    BatchRandomResizedCrop,
)
from .heads import (
    DeepClusterHead,
    ISLHead,
    LocalAggregationHead,
    MoCoISLHead,
    NCEHead,
    NPIDHead,
)
from .layers import SplitBatchNorm2d
from .memories import KeyQueue, MemoryBank
from .miners import EntropyMiner, GANMiner, KNNMiner, LabelMiner
from .necks import DeepClusterNeck, ISLNeck, MLPNeck, PoolingNeck

__all__ = [
    'ISL',
    'NPID',
    'Supervised',
    'NCEHead',
    'AlexNetBN',
    'AugmentingPreprocessor',
    'BaseAlgorithm',
    'BatchColorJitter',
    'BatchRandomApply',
    'BatchRandomGrayscale',
    'BatchRandomHorizontalFlip',
    'BatchRandomResizedCrop',
    'EntropyMiner',
    'GANMiner',
    'ISLHead',
    'ISLNeck',
    'KNNMiner',
    'LinearProbes',
    'MemoryBank',
    'PoolingNeck',
    'NPIDHead',
    'KeyQueue',
    'LabelMiner',
    'MLPNeck',
    'MoCo',
    'MoCoISL',
    'MoCoISLHead',
    'SplitBatchNorm2d',
    'LocalAggregation',
    'LocalAggregationHead',
    'DeepCluster',
    'DeepClusterHead',
    'DeepClusterNeck',
]
