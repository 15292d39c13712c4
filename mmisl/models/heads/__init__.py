from .isl_head import ISLHead
from .npid_head import NPIDHead

__all__ = ['ISLHead', 'NPIDHead']
