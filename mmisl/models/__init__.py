from .algorithms import ISL
from .backbones import AlexNetBN
from .heads import ISLHead
from .memories import MemoryBank
from .miners import EntropyMiner, GANMiner, KNNMiner
from .necks import ISLNeck

__all__ = [
    'ISL',
    'AlexNetBN',
    'EntropyMiner',
    'GANMiner',
    'ISLHead',
    'ISLNeck',
    'KNNMiner',
    'MemoryBank',
]
