from .isl import ISL

__all__ = ['ISL']
