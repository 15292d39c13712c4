from .base import BaseAlgorithm, EngineContract
from .deepcluster import DeepCluster
from .isl import ISL
from .linear_probes import LinearProbes
from .local_aggregation import LocalAggregation
from .moco import MoCo
from .moco_isl import MoCoISL
from .npid import NPID
from .supervised import Supervised

__all__ = [
    'ISL',
    'NPID',
    'BaseAlgorithm',
    'EngineContract',
    'LinearProbes',
    'Supervised',
    'MoCo',
    'MoCoISL',
    'LocalAggregation',
    'DeepCluster',
]
