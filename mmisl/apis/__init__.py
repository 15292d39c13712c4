"""What a program that uses mmisl calls: model, features, neighbours, views."""

from .features import STAGES, extract_features
from .loaders import build_loader, loader_config, set_loader_configs
from .model import init_model
from .neighbors import Neighbors, find_neighbors
from .training_views import TrainingViews

__all__ = [
    'STAGES',
    'Neighbors',
    'TrainingViews',
    'build_loader',
    'extract_features',
    'find_neighbors',
    'init_model',
    'loader_config',
    'set_loader_configs',
]
