from .isl_neck import ISLNeck

__all__ = ['ISLNeck']
