from .isl_head import ISLHead

__all__ = ['ISLHead']
