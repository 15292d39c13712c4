from .deepcluster_head import DeepClusterHead
from .isl_head import ISLHead
from .local_aggregation_head import LocalAggregationHead
from .moco_isl_head import MoCoISLHead
from .nce_head import NCEHead
from .npid_head import NPIDHead

__all__ = [
    'ISLHead',
    'NCEHead',
    'NPIDHead',
    'MoCoISLHead',
    'LocalAggregationHead',
    'DeepClusterHead',
]
