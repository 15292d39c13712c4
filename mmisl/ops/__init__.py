from .bank_softmax import bank_logsumexp, bank_softmax
from .segment import segment_argmax, segment_logsumexp

__all__ = [
    'bank_logsumexp',
    'bank_softmax',
    'segment_argmax',
    'segment_logsumexp',
]
