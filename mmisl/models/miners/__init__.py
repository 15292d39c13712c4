from .base import BaseMiner, MiningSummary
from .edge_selection import Candidates, select_edges
from .entropy_miner import EntropyMiner
from .gan_miner import GANMiner
from .knn_miner import KNNMiner

__all__ = [
    'BaseMiner',
    'Candidates',
    'EntropyMiner',
    'GANMiner',
    'KNNMiner',
    'MiningSummary',
    'select_edges',
]
