"""What mmdet's detectors lack to start from a network of mmisl.

The only room that imports mmdet, so nothing else does: a config that wants
it says ``custom_imports = dict(imports=['mmisl.detection'],
allow_failed_imports=False)``, in mmisl, mmdet or a toolbox of one's own.
"""

# Registers ResLayerExtraNorm, the last stage of a ResNet with a normalisation
# behind it, in mmdet.
import mmpretrain.models.utils.res_layer_extra_norm  # noqa: F401

from .per_class_voc_metric import PerClassVOCMetric
from .picture_hook import DetectionPictureHook
from .pretrained_check import (
    PretrainedFit,
    check_pretrained,
    compare_pretrained,
)
from .proposals import (
    check_proposals,
    proposal_key,
    read_proposals,
    write_proposals,
)
from .rescaling_hook import RescalingHook
from .roi_pool_extractor import RoIPoolExtractor
from .shared_heads import AlexNetFCHead
from .strict_voc_dataset import StrictVOCDataset
from .voc_files import VOCLayout, check_voc_split, read_split

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
