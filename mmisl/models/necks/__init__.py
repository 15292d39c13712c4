from .isl_neck import ISLNeck
from .pooling_neck import PoolingNeck

__all__ = ['ISLNeck', 'PoolingNeck']
