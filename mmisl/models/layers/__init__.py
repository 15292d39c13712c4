from .normed_layer import NORMS, NormedLayer
from .split_batch_norm import SplitBatchNorm2d

__all__ = ['NORMS', 'NormedLayer', 'SplitBatchNorm2d']
