"""Data sets and samplers that number every image of a training set."""

from mmisl.compat import import_mmpretrain_datasets

import_mmpretrain_datasets()  # before the modules that need it

from .caltech101 import Caltech101  # noqa: E402
from .cluster_sampler import ClusterSampler  # noqa: E402
from .digit_scenes import SCENE_CLASSES, make_digit_scenes  # noqa: E402
from .digits_textures import make_digits_textures  # noqa: E402
from .image_files import ImageFiles, list_images  # noqa: E402
from .instance_dataset import InstanceDataset  # noqa: E402
from .instance_sampler import InstanceSampler  # noqa: E402
from .label_share import draw_balanced, label_share  # noqa: E402
from .resident_dataset import ResidentDataset  # noqa: E402
from .svhn import SVHN  # noqa: E402
from .training_images import (  # noqa: E402
    build_train_dataset,
    draw_items,
    load_original,
)
from .transfer_parts import (  # noqa: E402
    transfer_labels,
    transfer_loaders,
    transfer_part,
)
from .transfer_sets import TRANSFER_SETS, TransferSet  # noqa: E402

__all__ = [
    'Caltech101',
    'ClusterSampler',
    'ImageFiles',
    'InstanceDataset',
    'InstanceSampler',
    'ResidentDataset',
    'SCENE_CLASSES',
    'SVHN',
    'build_train_dataset',
    'draw_balanced',
    'draw_items',
    'label_share',
    'list_images',
    'load_original',
    'TRANSFER_SETS',
    'TransferSet',
    'make_digit_scenes',
    'make_digits_textures',
    'transfer_labels',
    'transfer_loaders',
    'transfer_part',
]
