from .base import BaseMiner, build_miner
from .edge_selection import Candidates, select_edges
from .entropy_miner import EntropyMiner
from .gan_miner import GANMiner
from .knn_miner import KNNMiner
from .label_miner import LabelMiner
from .plain_neighbors import plain_neighbors
from .replication import edge_replication, replication_depth
from .rows import Rows, Views, mean_view

__all__ = [
    'BaseMiner',
    'Candidates',
    'EntropyMiner',
    'GANMiner',
    'KNNMiner',
    'LabelMiner',
    'Rows',
    'Views',
    'build_miner',
    'edge_replication',
    'mean_view',
    'plain_neighbors',
    'replication_depth',
    'select_edges',
]
