from .bank_softmax import bank_logsumexp, bank_softmax, bank_softmax_kl
from .counter_random import draw_uniform
from .faiss_library import import_faiss
from .nearest_members import nearest_members
from .nearest_products import nearest_products
from .nearest_rows import SEARCH_BACKENDS, nearest_rows
from .segment import segment_argmax, segment_logsumexp, segment_mean
from .sharded_rows import (
    ShardedRows,
    all_finite,
    move_rows,
    num_local_rows,
    share_queries,
)
from .softmax_passes import BACKENDS, check_backend

__all__ = [
    'BACKENDS',
    'SEARCH_BACKENDS',
    'ShardedRows',
    'all_finite',
    'bank_logsumexp',
    'bank_softmax',
    'bank_softmax_kl',
    'draw_uniform',
    'import_faiss',
    'check_backend',
    'move_rows',
    'nearest_members',
    'nearest_products',
    'nearest_rows',
    'num_local_rows',
    'segment_argmax',
    'segment_logsumexp',
    'segment_mean',
    'share_queries',
]
