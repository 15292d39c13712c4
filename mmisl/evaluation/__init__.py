from .clusters import cluster_statistics, cluster_warnings
from .knn import KNNGallery, knn_accuracy, knn_votes, vote_ranks
from .knn_metric import KNNMetric
from .labelled import check_labelled
from .linear_probe import ProbeResult, linear_probe
from .mining import graph_statistics, mining_warnings

__all__ = [
    'KNNGallery',
    'KNNMetric',
    'ProbeResult',
    'check_labelled',
    'cluster_statistics',
    'cluster_warnings',
    'graph_statistics',
    'knn_accuracy',
    'knn_votes',
    'linear_probe',
    'mining_warnings',
    'vote_ranks',
]
