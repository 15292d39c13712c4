from .base import BaseAlgorithm
from .isl import ISL
from .npid import NPID

__all__ = ['ISL', 'NPID', 'BaseAlgorithm']
