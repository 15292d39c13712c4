from .base import BaseMiner, Rows, Views, build_miner, mean_view
from .edge_selection import Candidates, select_edges
from .entropy_miner import EntropyMiner
from .gan_miner import GANMiner
from .knn_miner import KNNMiner
from .plain_neighbors import plain_neighbors

__all__ = [
    'BaseMiner',
    'Candidates',
    'EntropyMiner',
    'GANMiner',
    'KNNMiner',
    'Rows',
    'Views',
    'build_miner',
    'mean_view',
    'plain_neighbors',
    'select_edges',
]
