from .key_queue import KeyQueue
from .memory_bank import MemoryBank

__all__ = ['KeyQueue', 'MemoryBank']
