from .base import BaseAlgorithm, EngineContract
from .isl import ISL
from .npid import NPID
from .supervised import Supervised

__all__ = ['ISL', 'NPID', 'BaseAlgorithm', 'EngineContract', 'Supervised']
