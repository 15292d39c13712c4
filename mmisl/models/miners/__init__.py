from .base import BaseMiner, MiningSummary, Rows, Views
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
    'Rows',
    'Views',
    'select_edges',
]
