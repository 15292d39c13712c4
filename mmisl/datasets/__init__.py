"""Data sets and samplers that number every image of a training set."""

from .digits_textures import make_digits_textures
from .instance_dataset import InstanceDataset
from .instance_sampler import InstanceSampler
from .svhn import SVHN

__all__ = [
    'InstanceDataset',
    'InstanceSampler',
    'SVHN',
    'make_digits_textures',
]
