from .atomic_checkpoint_hook import AtomicCheckpointHook
from .knn_gallery_hook import KNNGalleryHook
from .memory_bank_hook import MemoryBankHook

__all__ = ['AtomicCheckpointHook', 'KNNGalleryHook', 'MemoryBankHook']
