from .clusters import cluster_statistics, cluster_warnings
from .knn import knn_accuracy, knn_votes, vote_ranks
from .knn_metric import KNNMetric
from .mining import graph_statistics, mining_warnings

__all__ = [
    'KNNMetric',
    'cluster_statistics',
    'cluster_warnings',
    'graph_statistics',
    'knn_accuracy',
    'knn_votes',
    'mining_warnings',
    'vote_ranks',
]
