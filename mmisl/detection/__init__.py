"""What mmdet's detectors lack to start from a network of mmisl.

The only room that imports mmdet, so nothing else does: a config that wants
it says ``custom_imports = dict(imports=['mmisl.detection'],
allow_failed_imports=False)``, in mmisl, mmdet or a toolbox of one's own.
"""

from mmisl.compat import import_mmdet

import_mmdet()  # before the modules that need it

from .per_class_voc_metric import PerClassVOCMetric  # noqa: E402
from .picture_hook import DetectionPictureHook  # noqa: E402
from .pretrained_check import (  # noqa: E402
    PretrainedFit,
    check_pretrained,
    compare_pretrained,
)
from .proposals import (  # noqa: E402
    check_proposals,
    proposal_key,
    read_proposals,
    write_proposals,
)
from .rescaling_hook import RescalingHook  # noqa: E402
from .roi_pool_extractor import RoIPoolExtractor  # noqa: E402
from .shared_heads import AlexNetFCHead  # noqa: E402
from .strict_voc_dataset import StrictVOCDataset  # noqa: E402
from .voc_files import VOCLayout, check_voc_split, read_split  # noqa: E402

__all__ = [
    'AlexNetFCHead',
    'DetectionPictureHook',
    'PerClassVOCMetric',
    'RescalingHook',
    'RoIPoolExtractor',
    'PretrainedFit',
    'StrictVOCDataset',
    'VOCLayout',
    'check_pretrained',
    'check_proposals',
    'check_voc_split',
    'compare_pretrained',
    'proposal_key',
    'read_proposals',
    'read_split',
    'write_proposals',
]
