from .clusters import cluster_statistics, cluster_warnings
from .edge_numbers import edge_numbers
from .knn import KNNGallery, knn_accuracy, knn_votes, vote_ranks
from .knn_metric import KNNMetric
from .labelled import check_labelled
from .linear_probe import TRANSFER_GRID, ProbeResult, linear_probe
from .linear_svm import (
    SVMResult,
    average_precision_11points,
    linear_svm,
    low_shot_svm,
)
from .mining import graph_statistics, mining_warnings
from .pixel_distances import ImageRows, PixelDistances
from .probe_accuracy import ProbeAccuracy
from .retrieval import retrieval_recall
from .softmax_regression import PrincipalAxes, SoftmaxFit, fit_softmax

__all__ = [
    'ImageRows',
    'KNNGallery',
    'KNNMetric',
    'PixelDistances',
    'PrincipalAxes',
    'ProbeAccuracy',
    'ProbeResult',
    'SVMResult',
    'SoftmaxFit',
    'average_precision_11points',
    'linear_svm',
    'low_shot_svm',
    'TRANSFER_GRID',
    'check_labelled',
    'cluster_statistics',
    'cluster_warnings',
    'edge_numbers',
    'fit_softmax',
    'graph_statistics',
    'knn_accuracy',
    'knn_votes',
    'linear_probe',
    'mining_warnings',
    'retrieval_recall',
    'vote_ranks',
]
