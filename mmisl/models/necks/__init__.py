from .deepcluster_neck import DeepClusterNeck
from .isl_neck import ISLNeck
from .mlp_neck import MLPNeck
from .pooling_neck import PoolingNeck

__all__ = ['ISLNeck', 'PoolingNeck', 'MLPNeck', 'DeepClusterNeck']
