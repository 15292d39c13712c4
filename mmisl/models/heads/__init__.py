from .isl_head import ISLHead
from .nce_head import NCEHead
from .npid_head import NPIDHead

__all__ = ['ISLHead', 'NCEHead', 'NPIDHead']
